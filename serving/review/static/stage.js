// One frame large: fitted or pixel by pixel, with the no-data overlay, beside or over another one.

const stage = document.getElementById("stage");
const bar = document.getElementById("compare-bar");
const swipe = document.getElementById("swipe");
const ready = new Map();
const view = { card: null, zoom: false, mask: false, twin: -1, side: false };

const url = (id, what) => `/frame/${id}/${what}`;

// Fetched and decoded before it is needed, so that showing it is only a swap.
export function prefetch(cards) {
  const wanted = new Set(cards.map((card) => card.image_id));
  for (const id of ready.keys()) if (!wanted.has(id)) ready.delete(id);
  for (const { image_id: id, name } of cards) if (!ready.has(id)) ready.set(id, picture(id, "preview", name));
}

function picture(id, what, name) {
  const image = new Image();
  image.alt = name;
  image.decoding = "sync";
  image.src = url(id, what);
  image.whole = image.decode().then(() => true, () => false);
  return image;
}

export async function show(card) {
  const anew = view.card?.image_id !== card.image_id;
  view.card = card;
  if (anew) Object.assign(view, { zoom: false, twin: -1 });
  let image = ready.get(card.image_id);
  if (!image) ready.set(card.image_id, image = picture(card.image_id, "preview", card.name));
  if (!image.complete) stage.replaceChildren();
  const [twin] = card.twins;
  if (twin) picture(twin.image_id, "preview", ""); // into the browser's cache
  const whole = await image.whole;
  if (view.card !== card) return false;
  if (!whole) {
    ready.delete(card.image_id);
    const words = document.createElement("p");
    words.className = "label left";
    words.textContent = "The picture cannot be shown.";
    stage.replaceChildren(words);
    return true;
  }
  paint(image);
  return true;
}

export function clear() {
  view.card = null;
  stage.replaceChildren();
}

export const zoomed = () => view.zoom;
export const comparing = () => view.twin >= 0;

export function toggleZoom() {
  view.zoom = !view.zoom;
  view.twin = -1;
  return repaint();
}

export function toggleMask() {
  view.mask = !view.mask;
  return repaint();
}

export function toggleSide() {
  view.side = !view.side;
  return repaint();
}

// Each call compares with the next of the lookalikes, and after the last with none.
export function compareNext(at) {
  const count = view.card?.twins.length || 0;
  view.twin = at ?? (view.twin + 1 < count ? view.twin + 1 : -1);
  view.zoom = false;
  return repaint();
}

export function moveDivider(step) {
  swipe.value = Number(swipe.value) + step;
  place();
}

export function scroll(dx, dy) {
  stage.scrollBy(dx * stage.clientWidth * 0.3, dy * stage.clientHeight * 0.3);
}

function repaint() {
  if (view.card) paint(ready.get(view.card.image_id));
}

function paint(image) {
  const { card } = view;
  const twin = card.twins[view.twin];
  stage.classList.toggle("zoomed", view.zoom);
  stage.classList.toggle("side", Boolean(twin) && view.side);
  bar.hidden = !twin;
  swipe.disabled = view.side;
  press("zoom", view.zoom); press("mask", view.mask); press("compare", Boolean(twin)); press("compare-side", view.side);
  image.style.clipPath = image.style.width = image.style.height = "";
  const parts = [view.zoom ? pixels(card) : image];
  if (view.mask && !twin) parts.push(overlay(card, parts[0]));
  if (twin) parts.push(...beside(card, twin, image));
  stage.replaceChildren(...parts);
  if (twin) place();
}

function pixels(card) {
  const image = picture(card.image_id, "pixels", `${card.name}, pixels`);
  // whole screen pixels for each of the picture's; at least so many that small pictures grow
  const fit = Math.min(stage.clientWidth / card.width, stage.clientHeight / card.height) * devicePixelRatio;
  const factor = Math.max(1, Math.ceil(fit)) / devicePixelRatio;
  image.style.width = `${card.width * factor}px`;
  image.style.height = `${card.height * factor}px`;
  image.whole.then(() => stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2));
  return image;
}

function overlay(card, below) {
  const image = picture(card.image_id, "mask", "");
  image.className = "mask";
  image.style.width = below.style.width;
  image.style.height = below.style.height;
  return image;
}

function beside(card, twin, image) {
  const other = picture(twin.image_id, "preview", twin.source_name);
  other.className = "other";
  document.getElementById("compare-name").textContent =
    `${view.twin + 1} of ${card.twins.length}, ${twin.relation}: ${twin.source_name}`;
  const labels = [["left", card.name], ["right", twin.source_name]].map(([side, text]) => {
    const label = document.createElement("span");
    label.className = `label ${side}`;
    label.textContent = text;
    return label;
  });
  if (view.side) return [other, ...labels];
  const divider = document.createElement("div");
  divider.className = "divider";
  return [other, divider, ...labels];
}

function place() {
  const other = stage.querySelector(".other");
  if (!other) return;
  other.style.clipPath = view.side ? "" : `inset(0 0 0 ${swipe.value}%)`;
  const own = stage.querySelector("img:not(.other)");
  own.style.clipPath = view.side ? "" : `inset(0 ${100 - swipe.value}% 0 0)`;
  const divider = stage.querySelector(".divider");
  if (divider) divider.style.left = `${swipe.value}%`;
}

function press(id, on) {
  document.getElementById(id).setAttribute("aria-pressed", String(on));
}

swipe.addEventListener("input", place);
document.getElementById("compare-side").addEventListener("click", toggleSide);

let held = null;
stage.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" && view.zoom) return; // the browser pans
  if (!view.zoom && !comparing()) return;
  held = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop };
  stage.setPointerCapture(event.pointerId);
  event.preventDefault();
  stage.focus({ preventScroll: true });
});
stage.addEventListener("pointermove", (event) => {
  if (!held) return;
  if (view.zoom) stage.scrollTo(held.left + held.x - event.clientX, held.top + held.y - event.clientY);
  else if (!view.side) {
    const box = stage.getBoundingClientRect();
    swipe.value = (100 * (event.clientX - box.left)) / box.width;
    place();
  }
});
for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { held = null; });
