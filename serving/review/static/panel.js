// What is told of a frame beside it.

const $ = (id) => document.getElementById(id);
const histograms = new Map();
const UNHURRIED_MS = 120; // who looks at a frame for less does not read its histogram

export function tell(card, onTwin) {
  $("name").textContent = card.name;
  $("size").textContent = `${card.width} × ${card.height} px, ${(card.bytes / 1e6).toFixed(2)} MB, ${card.format}${emptiness(card)}`;
  $("gauges").tBodies[0].replaceChildren(...card.gauges.map(gauge));
  if (card.blind) $("gauges").tBodies[0].prepend(remark("For a check: what the policy thinks stays hidden."));
  else if (card.gauges.every((one) => one.state === "fine")) $("gauges").tBodies[0].prepend(remark("No threshold is passed."));
  $("gauges").tBodies[0].append(...card.gauges.filter((one) => one.words).map((one) => remark(`Classifier: ${one.words}`)));
  $("told").replaceChildren(...card.told.flatMap(([label, text]) => [element("dt", label), element("dd", text)]));
  $("link").hidden = !card.link;
  if (card.link) $("link").href = card.link;
  $("twins-part").hidden = !card.twins.length;
  $("compare").disabled = !card.twins.length;
  $("twins").replaceChildren(...card.twins.map((twin, at) => twinItem(twin, () => onTwin(at))));
  draw(card.image_id);
}

function emptiness(card) {
  if (card.coverage === null) return "";
  return card.coverage > 0.9995 ? ", data everywhere" : `, ${(100 * (1 - card.coverage)).toFixed(1)} % no data`;
}

function gauge(one) {
  const row = document.createElement("tr");
  row.className = one.state;
  const sign = one.side === "above" ? ">" : "<";
  const name = element("td", one.reason.replaceAll("_", " "));
  const measure = element("span", one.measure);
  measure.className = "measure";
  name.append(measure);
  const limits = one.state === "unsaid" ? "" : one.reject === null ? `${sign} ${short(one.review)}` : `${sign} ${short(one.review)} / ${short(one.reject)}`;
  const cells = [element("td", short(one.value) + (one.unit ? ` ${one.unit}` : "")), element("td", limits)];
  for (const cell of cells) cell.className = "number";
  if (limits) cells[1].title = "doubtful / sure";
  row.append(name, ...cells);
  return row;
}

function remark(text) {
  const row = document.createElement("tr");
  const cell = element("td", text);
  cell.colSpan = 3;
  row.append(cell);
  return row;
}

function twinItem(twin, onClick) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = new Image();
  image.loading = "lazy";
  image.alt = "";
  image.src = `/frame/${twin.image_id}/thumb`;
  button.append(image, element("span", `${twin.relation}: ${twin.source_name}, ${twin.size} px`));
  button.addEventListener("click", onClick);
  item.append(button);
  return item;
}

// Levels of red, green and blue by the square root, so that the few bright pixels of a dark sky are seen.
async function draw(id) {
  $("histogram").replaceChildren();
  $("histogram").dataset.of = id;
  if (!histograms.has(id)) {
    await new Promise((done) => setTimeout(done, UNHURRIED_MS));
    if ($("histogram").dataset.of !== id) return; // gone already
    const answer = await fetch(`/frame/${id}/histogram`).catch(() => null);
    if (!answer?.ok) return;
    histograms.set(id, await answer.json());
    if (histograms.size > 50) histograms.delete(histograms.keys().next().value);
  }
  if ($("histogram").dataset.of !== id) return;
  const bands = histograms.get(id);
  const top = Math.sqrt(Math.max(1, ...bands.flat()));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 64 32");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Histogram of red, green and blue, dark to bright, without no-data");
  bands.forEach((counts, band) => {
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", counts.map((count, x) => `${x + 0.5},${31.5 - (31 * Math.sqrt(count)) / top}`).join(" "));
    line.setAttribute("fill", "none");
    line.setAttribute("stroke", ["#ff6b6b", "#5fd38a", "#7aa5ff"][band]);
    line.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(line);
  });
  $("histogram").replaceChildren(svg);
}

$("all-gauges").addEventListener("click", () => {
  const all = $("gauges").classList.toggle("all");
  $("all-gauges").setAttribute("aria-expanded", String(all));
  $("all-gauges").textContent = all ? "Only what is passed" : "All measurements";
});

function short(value) {
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export function element(name, text) {
  const one = document.createElement(name);
  one.textContent = text;
  return one;
}
