"use strict";
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
  state.pick ??= state.first; // so that the page shows at once what it can do
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
