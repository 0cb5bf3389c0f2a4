"use strict";
// The wall

const count = () => (matchMedia("(max-width: 48rem)").matches ? 36 : 72);
const clamp = (seed) => Math.min(Math.max(0, Math.trunc(seed) || 0), MOST_SEED - count());

function showWall() {
  const wall = find("#wall");
  const held = wall.contains(document.activeElement) ? [...wall.children].indexOf(document.activeElement) : -1;
  wall.replaceChildren(...Array.from({ length: count() }, (_, i) => tile(state.first + i, i === Math.max(held, 0))));
  if (held >= 0) wall.children[Math.min(held, wall.children.length - 1)].focus();
  markPicked();
}

function tile(seed, reachable) {
  const image = make("img", { src: imageOf(seed), alt: `Sample of seed ${seed}`, loading: "lazy" });
  const button = make("button", { type: "button", tabIndex: reachable ? 0 : -1 }, image);
  button.dataset.seed = seed;
  button.setAttribute("role", "option");
  image.addEventListener("error", () => refused(button, seed));
  button.addEventListener("click", () => pick(seed));
  return button;
}

async function refused(button, seed) {
  button.classList.add("refused");
  button.replaceChildren("refused");
  const answer = await fetch(imageOf(seed)).catch(() => null);
  if (answer && !answer.ok) button.title = (await answer.json()).error.message;
}

function markPicked() {
  for (const button of find("#wall").children) {
    const seed = Number(button.dataset.seed);
    button.setAttribute("aria-selected", seed === state.pick);
    button.classList.toggle("other", seed === state.other && seed !== state.pick);
  }
}

find("#wall").addEventListener("keydown", (event) => {
  const tiles = [...event.currentTarget.children], at = tiles.indexOf(document.activeElement);
  const columns = getComputedStyle(event.currentTarget).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: tiles.length - 1 - at }[event.key];
  if (step === undefined || at < 0) return;
  event.preventDefault();
  const next = tiles[at + step];
  if (!next) return;
  tiles[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

// The picked sample

function pick(seed) {
  if (seed !== state.pick) [state.other, state.pick] = [state.pick, seed];
  remember();
  showPicked();
}

function showPicked() {
  markPicked();
  const { pick: seed } = state;
  find("#large").hidden = find("#share").hidden = find("#download").hidden = seed === null;
  find("#picked-title").textContent = seed === null ? "Pick a sample" : `Seed ${seed}`;
  find("#call").textContent = seed === null ? "" : `curl -O '${location.origin}${imageOf(seed)}'`;
  showBetween();
  showAlong();
  if (seed === null) return void (find("#near").hidden = true);
  Object.assign(find("#large"), { src: imageOf(seed), alt: `Sample of seed ${seed}, large` });
  Object.assign(find("#download"), { href: imageOf(seed), download: `${state.model.name}-${seed}.png` });
  showNeighbours(seed);
}

async function showNeighbours(seed) {
  const near = find("#near"), mine = query();
  if (state.model.noNeighbours) return void (near.hidden = true);
  try {
    const found = await ask(path(`neighbours/${seed}`) + query());
    if (seed !== state.pick || mine !== query()) return;
    near.hidden = false;
    find("#neighbours").replaceChildren(...found.neighbours.map((one) => make("img", {
      src: `data:image/png;base64,${one.png}`, alt: "A training image", title: `${(100 * one.distance).toFixed(1)}% apart`,
    })));
    const least = (100 * found.neighbours[0].distance).toFixed(1);
    find("#near-note").textContent = `In pixels, of ${found.compared.toLocaleString("en")}; the nearest is ${least}% of the range of grey levels away.`;
  } catch {
    near.hidden = true;
  }
}

find("#share").addEventListener("click", async ({ currentTarget: button }) => {
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    button.textContent = "It is the address of this page";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
});
