"use strict";
// Attention on text and graphs. The first half computes and knows no page, so that it is tested without a browser.

const LIMIT = 6000; // lines that are drawn at most, the strongest ones

function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function numbersOf(text) { // 16 bits each, the low byte first
  const bytes = bytesOf(text);
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i] + 256 * bytes[2 * i + 1]);
}

function weightsOf(layer, head) { // one for each edge; head -1 is the mean of all
  if (!layer.codes) layer.codes = bytesOf(layer.weights);
  const heads = head < 0 ? [...Array(layer.heads).keys()] : [head];
  const size = layer.codes.length / layer.heads;
  const weights = new Float64Array(size);
  for (const h of heads)
    for (let e = 0; e < size; e++) weights[e] += (layer.codes[h * size + e] / 255) ** 2 / heads.length;
  return weights;
}

function edgesOf(data, layer) {
  const edges = data.edges[layer.edges];
  if (!edges.from) [edges.from, edges.to] = [numbersOf(edges.senders), numbersOf(edges.receivers)];
  return edges;
}

// What is drawn: [sender, receiver, weight], the strongest last. `focus` is null, {sender: i} or {receiver: i}.
function shown(data, state) {
  const layer = data.layers[state.layer], { from, to } = edgesOf(data, layer);
  const weights = weightsOf(layer, state.head), focus = state.focus || {}, found = [];
  for (let e = 0; e < weights.length; e++) {
    if (weights[e] <= state.threshold) continue;
    const near = (focus.sender === undefined && focus.receiver === undefined) ||
      focus.sender === from[e] || focus.receiver === to[e];
    if (near) found.push([from[e], to[e], weights[e]]);
  }
  found.sort((a, b) => a[2] - b[2]);
  return found.slice(-LIMIT);
}

function shade(weight) { // from light to dark blue: also in black and white
  const share = Math.min(1, Math.max(0, weight)), mix = (a, b) => Math.round(a + (b - a) * share);
  return `rgb(${mix(190, 8)},${mix(225, 29)},${mix(215, 88)})`;
}

if (typeof module !== "undefined") module.exports = { bytesOf, numbersOf, weightsOf, edgesOf, shown, shade };

// ---- the page ----------------------------------------------------------------------------------------------------

function start(data) {
  const $ = (id) => document.getElementById(id), NS = "http://www.w3.org/2000/svg";
  const state = { ...data.start, focus: null };
  const same = data.same; // senders and receivers are one set of nodes
  const make = (name, attributes, parent, text) => {
    const element = document.createElementNS(NS, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (text !== undefined) element.textContent = text;
    return parent.appendChild(element);
  };
  const option = (select, value, text) => select.add(new Option(text, value));
  const nameOf = (names, i) => (names ? names[i] : String(i));

  data.layers.forEach((layer, i) => option($("layer"), i, layer.name ? `${i}: ${layer.name}` : i));
  for (const kind of ["lines", "matrix"].concat(same ? ["graph"] : [])) option($("kind"), kind, kind);
  $("title").textContent = data.title;

  function fillHeads() {
    const heads = data.layers[state.layer].heads;
    $("head").replaceChildren();
    if (heads > 1) option($("head"), -1, "mean");
    for (let h = 0; h < heads; h++) option($("head"), h, h);
    if (state.head >= heads) state.head = heads - 1;
    if (heads === 1) state.head = 0;
    $("head").value = state.head;
  }

  function say(text) { $("info").textContent = text; }
  function describe([from, to, weight]) {
    say(`${nameOf(data.receivers, to)} looks at ${nameOf(data.senders, from)}: ${weight.toFixed(3)}`);
  }

  function hover(element, focus) {
    element.addEventListener("mouseenter", () => { state.focus = focus; drawEdges(); });
    element.addEventListener("mouseleave", () => { state.focus = null; drawEdges(); say(""); });
  }

  let places = null; // of senders and receivers in the picture, and the group that holds the lines
  function drawLines() {
    const svg = $("picture"), rows = Math.max(data.n_senders, data.n_receivers), step = rows > 100 ? 9 : 17;
    const long = Math.max(...[data.receivers, data.senders].map((x) => Math.max(1, ...(x || []).map((w) => w.length))));
    const margin = Math.min(240, 30 + 7 * long), width = 2 * margin + 320, height = rows * step + 34;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.maxWidth = `${width * 1.3}px`;
    const column = (n, x) => Array.from({ length: n }, (_, i) => [x, 30 + step * (i + 0.5)]);
    places = { to: column(data.n_receivers, margin), from: column(data.n_senders, width - margin), bend: 0 };
    make("text", { x: margin - 8, y: 16, class: "side", "text-anchor": "end" }, svg, "receiver");
    make("text", { x: width - margin + 8, y: 16, class: "side" }, svg, "sender");
    places.group = make("g", {}, svg);
    const words = (names, spots, side, key) => spots.forEach(([x, y], i) => {
      const style = { x: x + 8 * side, y: y + 4, "text-anchor": side < 0 ? "end" : "start", class: "word" };
      hover(make("text", { ...style, "font-size": step - 5 }, svg, nameOf(names, i)), { [key]: i });
    });
    words(data.receivers, places.to, -1, "receiver");
    words(data.senders, places.from, 1, "sender");
  }

  function drawGraph() {
    const svg = $("picture"), size = 620, edge = 40;
    svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
    svg.style.maxWidth = "800px";
    const spots = data.positions.map(([x, y]) => [edge + x * (size - 2 * edge), edge + y * (size - 2 * edge)]);
    places = { from: spots, to: spots, bend: 0.15, group: make("g", {}, svg) };
    const few = spots.length <= 80, radius = few ? 5 : 3;
    spots.forEach(([x, y], i) => {
      const node = make("circle", { cx: x, cy: y, r: radius, class: "node" }, svg);
      make("title", {}, node, nameOf(data.receivers, i));
      hover(node, { receiver: i });
      if (few) make("text", { x: x + 7, y: y - 5, class: "word small" }, svg, nameOf(data.receivers, i));
    });
  }

  function drawEdges() {
    if (state.kind === "matrix") return drawMatrix();
    const edges = shown(data, state);
    places.group.replaceChildren();
    for (const edge of edges) {
      const [from, to, weight] = edge, [x, y] = places.from[from], [u, v] = places.to[to];
      const ring = x === u && y === v, bend = places.bend;
      const path = ring ? `M${x},${y}c-18,-26 18,-26 0,0`
        : `M${x},${y}Q${(x + u) / 2 + bend * (v - y)},${(y + v) / 2 - bend * (u - x)} ${u},${v}`;
      const style = { d: path, class: "edge", stroke: shade(weight), "stroke-width": 0.4 + 4 * weight };
      const line = make("path", { ...style, "data-sender": from, "data-receiver": to }, places.group);
      line.addEventListener("mouseenter", () => describe(edge));
    }
    document.body.dataset.edges = edges.length; // for those who test
  }

  function drawMatrix() {
    const canvas = $("matrix"), context = canvas.getContext("2d"), [rows, columns] = [data.n_receivers, data.n_senders];
    const cell = Math.max(1, Math.min(22, Math.floor(640 / Math.max(rows, columns)))), room = cell >= 8 ? 90 : 4;
    [canvas.width, canvas.height] = [room + columns * cell + 4, room + rows * cell + 4];
    context.fillStyle = "#d9d9d9"; // no edge
    context.fillRect(room, room, columns * cell, rows * cell);
    const layer = data.layers[state.layer], { from, to } = edgesOf(data, layer), weights = weightsOf(layer, state.head);
    const table = new Map();
    weights.forEach((weight, e) => table.set(to[e] * columns + from[e], (table.get(to[e] * columns + from[e]) || 0) + weight));
    for (const [key, weight] of table) {
      context.fillStyle = weight > state.threshold ? shade(weight) : "#ffffff";
      context.fillRect(room + (key % columns) * cell, room + Math.floor(key / columns) * cell, cell, cell);
    }
    if (cell >= 8) {
      context.fillStyle = "#000";
      context.font = `${Math.min(12, cell)}px sans-serif`;
      context.textAlign = "right";
      for (let i = 0; i < rows; i++) context.fillText(nameOf(data.receivers, i), room - 4, room + (i + 0.8) * cell, room - 6);
      context.textAlign = "left";
      for (let j = 0; j < columns; j++) {
        context.save();
        context.translate(room + (j + 0.8) * cell, room - 4);
        context.rotate(-Math.PI / 2);
        context.fillText(nameOf(data.senders, j), 0, 0, room - 6);
        context.restore();
      }
    }
    canvas.onmousemove = (event) => {
      const column = Math.floor((event.offsetX - room) / cell), row = Math.floor((event.offsetY - room) / cell);
      const weight = column >= 0 && column < columns ? table.get(row * columns + column) : undefined;
      if (weight === undefined) say(""); else describe([column, row, weight]);
    };
    document.body.dataset.edges = [...table.values()].filter((weight) => weight > state.threshold).length;
  }

  function draw() {
    $("picture").replaceChildren();
    $("picture").style.display = state.kind === "matrix" ? "none" : "block";
    $("matrix").style.display = state.kind === "matrix" ? "block" : "none";
    $("value").textContent = state.threshold.toFixed(3);
    if (state.kind === "lines") drawLines();
    if (state.kind === "graph") drawGraph();
    drawEdges();
    for (const key of ["layer", "head", "kind"]) document.body.dataset[key] = state[key];
  }

  const listen = (id, event, change) => $(id).addEventListener(event, () => { change($(id).value); draw(); });
  listen("layer", "change", (value) => { state.layer = Number(value); fillHeads(); });
  listen("head", "change", (value) => { state.head = Number(value); });
  listen("kind", "change", (value) => { state.kind = value; });
  listen("threshold", "input", (value) => { state.threshold = Number(value) ** 2; });
  $("layer").value = state.layer;
  $("kind").value = state.kind;
  $("threshold").value = Math.sqrt(state.threshold);
  fillHeads();
  draw();
}

if (typeof document !== "undefined") start(JSON.parse(document.getElementById("data").textContent));
