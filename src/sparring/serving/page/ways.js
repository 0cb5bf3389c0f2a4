"use strict";
// Ways: a strip, and the same in motion

const STRIP = 9, MOTION = 33, SECONDS = 3;

class Way {
  constructor(root) {
    this.body = root.querySelector(".body");
    this.canvas = root.querySelector("canvas");
    this.strip = root.querySelector(".strip");
    this.place = root.querySelector(".place");
    this.play = root.querySelector(".play");
    this.frames = new Image();
    this.playing = false;
    this.frames.addEventListener("load", () => this.draw());
    this.place.addEventListener("input", () => { this.stop(); this.draw(); });
    this.play.addEventListener("click", () => (this.playing ? this.stop() : this.start()));
  }

  show(address) { // a function of the number of steps; null: there is nothing to show
    this.body.hidden = !address;
    if (!address) return this.stop();
    this.strip.src = address(STRIP);
    this.frames.src = address(MOTION);
  }

  draw() {
    const width = this.frames.naturalWidth / MOTION, height = this.frames.naturalHeight;
    if (!width) return;
    if (this.canvas.width !== width) Object.assign(this.canvas, { width, height });
    const frame = Math.round(Number(this.place.value) * (MOTION - 1));
    this.canvas.getContext("2d").drawImage(this.frames, frame * width, 0, width, height, 0, 0, width, height);
  }

  start() {
    this.playing = true;
    this.play.textContent = "Pause";
    const began = performance.now() - SECONDS * 1000 * Number(this.place.value);
    const turn = (now) => {
      if (!this.playing) return;
      const passed = ((now - began) / 1000 / SECONDS) % 2;
      this.place.value = passed < 1 ? passed : 2 - passed;
      this.draw();
      requestAnimationFrame(turn);
    };
    requestAnimationFrame(turn);
  }

  stop() {
    this.playing = false;
    this.play.textContent = "Play";
  }
}

const between = new Way(find("#between"));
const along = new Way(find("#along"));

function showBetween() {
  const { other, pick: seed } = state;
  const both = other !== null && seed !== null;
  find("#between .soft").textContent = both
    ? `From seed ${other} to seed ${seed}, on an arc around the mean.`
    : "Pick another sample: the way leads from the one before to it.";
  between.show(both ? (steps) => path(`walks/${other}-${seed}.png`) + query({ steps }) : null);
}

function showAlong() {
  const { direction, pick: seed } = state;
  for (const button of find("#directions").children) {
    button.setAttribute("aria-checked", Number(button.value) === direction);
  }
  const both = direction !== null && seed !== null;
  along.show(both ? (steps) => path(`directions/${direction}/${seed}.png`) + query({ steps }) : null);
}

async function showDirections() {
  const { model } = state;
  const found = (await ask(path("directions")).catch(() => [])).slice(0, 8);
  if (model !== state.model) return;
  find("#along").hidden = !found.length;
  const most = Math.max(...found.map((one) => one.share));
  find("#directions").replaceChildren(...found.map(({ number, share }) => {
    const bar = make("i"), button = make("button", { type: "button", value: number, title: `${(100 * share).toFixed(1)}% of the first layer` }, `${number + 1}`, bar);
    bar.style.width = `${(100 * share) / most}%`;
    button.setAttribute("role", "radio");
    button.addEventListener("click", () => { state.direction = number; remember(); showAlong(); });
    return button;
  }));
  if (state.direction === null || state.direction >= found.length) state.direction = found.length ? 0 : null;
  showAlong();
}
