// Many frames at once: each a button with its picture; what is decided stays in place, marked, until the page is full.

import { element } from "./panel.js";

const grid = document.getElementById("grid");
let cards = [];

export function fill(news, onOpen) {
  cards = [...news];
  grid.replaceChildren(...cards.map((card) => tile(card, onOpen)));
  grid.scrollTop = 0;
}

function tile(card, onOpen) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = card.image_id;
  const image = new Image();
  image.alt = "";
  image.src = `/frame/${card.image_id}/thumb`;
  const why = element("span", card.blind ? "for a check" : doubts(card));
  why.className = "why";
  const name = element("span", card.name);
  button.title = `${card.name}\n${why.textContent}`;
  button.append(image, why, name);
  button.addEventListener("dblclick", () => onOpen(card));
  button.addEventListener("keydown", (event) => {
    if (event.key === "Enter") { event.preventDefault(); onOpen(card); }
  });
  return button;
}

function doubts(card) {
  const reasons = card.gauges.filter((one) => one.state !== "fine").map((one) => one.reason.replaceAll("_", " "));
  return [...new Set(reasons)].join(", ");
}

const tiles = () => [...grid.children];
const tileOf = (id) => grid.querySelector(`[data-id="${id}"]`);

export const open = () => cards.filter((card) => tileOf(card.image_id) && !tileOf(card.image_id).dataset.word);

export function focused() {
  const id = document.activeElement?.dataset?.id;
  return cards.find((card) => card.image_id === id && !tileOf(id).dataset.word) || null;
}

export function mark(id, word) {
  const button = tileOf(id);
  if (!button) return false;
  if (word) button.dataset.word = word;
  else delete button.dataset.word;
  return true;
}

export function focusNext() {
  const all = tiles();
  const at = Math.max(0, all.indexOf(document.activeElement));
  const next = [...all.slice(at), ...all.slice(0, at)].find((one) => !one.dataset.word);
  (next || all[0])?.focus();
}

export const focusOn = (id) => tileOf(id)?.focus();

export function move(dx, dy) {
  const all = tiles();
  if (!all.length) return;
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const at = all.indexOf(document.activeElement);
  const to = at < 0 ? 0 : at + dx + dy * columns;
  all[Math.min(all.length - 1, Math.max(0, to))].focus();
}
