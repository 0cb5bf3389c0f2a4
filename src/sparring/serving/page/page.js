"use strict";
// All that is shown follows from the address of the page, so that a link shows it again elsewhere.

const MOST_SEED = Number.MAX_SAFE_INTEGER;
const STRIP = 9, MOTION = 33, SECONDS = 3;
const find = (name) => document.querySelector(name);
const state = { models: [], model: null, first: 0, label: "", truncation: 1, pick: null, other: null, direction: null };

const path = (rest) => `/v1/models/${state.model.name}@${state.model.version}/${rest}`;

function query(more = {}) {
  const asked = new URLSearchParams(more);
  if (state.label !== "") asked.set("label", state.label);
  if (state.truncation !== 1) asked.set("truncation", state.truncation);
  const text = asked.toString();
  return text ? `?${text}` : "";
}

const imageOf = (seed) => path(`images/${seed}.png`) + query();

function make(tag, values = {}, ...children) {
  const found = Object.assign(document.createElement(tag), values);
  found.append(...children);
  return found;
}

async function ask(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error?.message ?? answer.statusText);
  return answer.json();
}

function tell(problem) {
  find("#problem").hidden = !problem;
  find("#problem").textContent = problem ?? "";
}

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

// Ways: a strip, and the same in motion

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

// The model, its scores and its findings

const short = (value) => (typeof value === "number" ? Number(value.toPrecision(4)).toString() : "–");

function showScores() {
  const { scores, findings, warnings, verdict } = state.model;
  const source = (one) => `${one.features}, ${one.samples_fake} samples against ${one.samples_real} of split ${one.split}`;
  const sources = new Set(Object.values(scores).map(source)), shared = sources.size === 1;
  const rows = Object.entries(scores).map(([name, one]) => make("tr", {},
    make("th", { scope: "row" }, name),
    make("td", { className: "number" }, short(one.value) + (one.error == null ? "" : ` ± ${Number(one.error.toPrecision(2))}`)),
    ...(shared ? [] : [make("td", { className: "soft" }, source(one))])));
  find("#score-table").replaceChildren(rows.length ? make("table", {}, make("tbody", {}, ...rows)) : "It was not scored.");
  if (shared) find("#score-table").append(make("p", { className: "soft" }, `All on features of ${[...sources][0]}.`));
  const told = [
    ...warnings,
    `The referee's verdict over the training: ${verdict}.`,
    ...findings.map((one) => `${one.severity} ${one.code} at step ${one.step}: ${one.evidence}`),
  ];
  find("#findings").replaceChildren(...told.map((text) => make("li", {}, text)));
}

function showModel() {
  const { model } = state;
  const [channels, height, width] = model.shape;
  find("#model").value = `${model.name}@${model.version}`;
  find("#about").textContent = model.images
    ? `${width}×${height} ${channels === 1 ? "grey" : "colour"}, latents of ${model.latent_size}, version ${model.version}${model.data ? `, trained on ${model.data}` : ""}`
    : `vectors of ${channels}, latents of ${model.latent_size}, version ${model.version}`;
  document.body.classList.toggle("smooth", model.images && width >= 128);
  find("#label").replaceChildren(make("option", { value: "" }, "any"), ...model.classes.map((name) => make("option", { value: name }, name)));
  find("#with-label").hidden = !model.classes.length;
  find("#with-truncation").hidden = !model.truncation;
  for (const part of ["#controls", "main", ".ways"]) find(part).hidden = !model.images;
  tell(model.images ? null : "This generator makes vectors, which have no picture here: ask the call generate for an npz.");
  showScores();
  if (model.images) showDirections();
}

// The address of the page

function remember() {
  const told = new URLSearchParams({ model: `${state.model.name}@${state.model.version}`, first: state.first });
  if (state.label !== "") told.set("label", state.label);
  if (state.truncation !== 1) told.set("truncation", state.truncation);
  for (const key of ["pick", "other", "direction"]) if (state[key] !== null) told.set(key, state[key]);
  history.replaceState(null, "", `?${told}`);
}

function recall() {
  const told = new URLSearchParams(location.search);
  const number = (key) => (/^\d{1,16}$/.test(told.get(key) ?? "") ? Math.min(Number(told.get(key)), MOST_SEED) : null);
  const wanted = told.get("model") ?? "";
  const same = (one) => `${one.name}@${one.version}` === wanted || (one.name === wanted && one.current);
  state.model = state.models.find(same) ?? state.models.find((one) => one.current);
  state.first = clamp(number("first") ?? 0);
  for (const key of ["pick", "other", "direction"]) state[key] = number(key);
  state.label = state.model.classes.includes(told.get("label")) ? told.get("label") : "";
  const truncation = Number(told.get("truncation") ?? 1);
  state.truncation = state.model.truncation && truncation >= 0 && truncation <= 1 ? truncation : 1;
  if (wanted && !state.models.some(same)) return `The version ${wanted} is not served any more; this is ${state.model.name}@${state.model.version}.`;
  return null;
}

function showAll() {
  showModel();
  if (!state.model.images) return;
  find("#first").value = state.first;
  find("#label").value = state.label;
  find("#truncation").value = state.truncation;
  find("#truncation-value").textContent = state.truncation.toFixed(2);
  showWall();
  showPicked();
}

function change(values, pictures = true) {
  Object.assign(state, values);
  remember();
  find("#first").value = state.first;
  find("#truncation-value").textContent = state.truncation.toFixed(2);
  showWall();
  if (pictures) showPicked();
}

const turn = (first) => change({ first: clamp(first) }, false);
const anywhere = () => turn(Math.floor(Math.random() * 1e9));
find("#before").addEventListener("click", () => turn(state.first - count()));
find("#after").addEventListener("click", () => turn(state.first + count()));
find("#random").addEventListener("click", anywhere);
find("#first").addEventListener("change", (event) => turn(Number(event.target.value)));
find("#label").addEventListener("change", (event) => change({ label: event.target.value }));
find("#truncation").addEventListener("change", (event) => change({ truncation: Number(event.target.value) }));
find("#truncation").addEventListener("input", (event) => (find("#truncation-value").textContent = Number(event.target.value).toFixed(2)));
find("#controls").addEventListener("submit", (event) => event.preventDefault());
find("#model").addEventListener("change", (event) => {
  state.model = state.models.find((one) => `${one.name}@${one.version}` === event.target.value);
  Object.assign(state, { label: "", truncation: 1 });
  remember();
  showAll();
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const does = { n: () => turn(state.first + count()), p: () => turn(state.first - count()), r: anywhere }[event.key];
  if (does) does();
  else if (event.key === " " && !event.target.closest("button, a") && !between.body.hidden) between.play.click();
  else return;
  event.preventDefault();
});

async function begin() {
  try {
    state.models = await ask("/v1/models");
    const problem = recall();
    find("#model").replaceChildren(...state.models.map((one) => make("option", { value: `${one.name}@${one.version}` }, one.current ? one.name : `${one.name}, version ${one.version}`)));
    showAll();
    if (problem) tell(problem);
  } catch (problem) {
    tell(`The models cannot be listed: ${problem.message}`);
  }
}

begin();
