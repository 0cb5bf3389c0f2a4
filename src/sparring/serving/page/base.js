"use strict";
// All that is shown follows from the address of the page, so that a link shows it again elsewhere.

const MOST_SEED = Number.MAX_SAFE_INTEGER;
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
