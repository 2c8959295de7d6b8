"use strict";
// The page's script. Its data is in the element #data; nothing is fetched.
const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const ENTRY = -1, EXIT = -2;
const number = (value) => value.toLocaleString("en-US");
const percent = (part, whole) => (whole && part ? `${((100 * part) / whole).toFixed(part && part / whole < 0.001 ? 2 : 1)} %` : "");

// ---- The drawing: the same layout as in Python (pages/drawing/geometry.py), for any set of open blocks.

function insideOf(facts, n, inside) {
  const s = facts.sizes, block = facts.blocks[n], box = { left: s.width / 2, right: s.width / 2, height: s.height };
  const extent = new Map([[ENTRY, { left: 0, right: 0, height: 0 }], [EXIT, { left: 0, right: 0, height: 0 }]]);
  block.children.forEach((child, part) => extent.set(part, inside.has(child) ? frameOf(s, inside.get(child)) : box));
  const columns = new Map(block.columns), lanes = new Map(block.lanes.map(([part, ...lane]) => [part, lane]));
  const passed = (row) => block.lanes.some(([, , first, last]) => first <= row && row <= last);
  const alone = new Set(block.rows.flatMap((row, at) => (row.length === 1 && !passed(at) ? row : [])));
  const count = Math.max(block.boxes, ...block.lanes.map(([, column]) => column + 1));
  const left = Array(count).fill(s.lane / 2), right = Array(count).fill(s.lane / 2);
  for (const [part, column] of columns) {
    if (alone.has(part) && block.boxes > 1) continue;
    left[column] = Math.max(left[column], extent.get(part).left);
    right[column] = Math.max(right[column], extent.get(part).right);
  }
  const middles = [0];
  for (let c = 1; c < count; c++) {
    const between = c < block.boxes ? s.between : c === block.boxes ? s.between / 2 : 0;
    middles.push(middles[c - 1] + right[c - 1] + between + left[c]);
  }
  const flow = (middles[0] + middles[block.boxes - 1]) / 2, spots = new Map();
  for (const [part, column] of columns) spots.set(part, alone.has(part) ? flow : middles[column]);
  const spans = [...spots].map(([part, at]) => [at - extent.get(part).left, at + extent.get(part).right]);
  for (const [column] of lanes.values()) spans.push([middles[column] - s.lane / 2, middles[column] + s.lane / 2]);
  const low = Math.min(...spans.map((one) => one[0])), high = Math.max(...spans.map((one) => one[1]));
  const rows = [], rowOf = new Map();
  let y = 0;
  block.rows.forEach((row, at) => {
    const bottom = y + Math.max(...row.map((part) => extent.get(part).height));
    rows.push([y, bottom]);
    row.forEach((part) => rowOf.set(part, at));
    y = bottom + s.gap;
  });
  const height = rows[rows.length - 1][1] + (n && !columns.has(EXIT) ? s.padding : 0);
  return { extent, spots, lanes, middles, rows, rowOf, low, flow: flow - low, width: high - low, height };
}

function frameOf(s, own) {
  const half = s.width / 2;
  return {
    left: s.padding + Math.max(own.flow, half),
    right: s.padding + Math.max(own.width - own.flow, half),
    height: s.header + own.height,
  };
}

function geometryOf(facts, opened) {
  const s = facts.sizes, inside = new Map(), frames = new Map(), lines = new Map();
  for (let n = facts.blocks.length - 1; n >= 0; n--) if (n === 0 || opened.has(n)) inside.set(n, insideOf(facts, n, inside));
  const place = (n, x, y) => {
    const block = facts.blocks[n], own = inside.get(n), at = (part) => own.spots.get(part) - own.low;
    block.children.forEach((child, part) => {
      const size = own.extent.get(part), top = own.rows[own.rowOf.get(part)][0];
      const frame = { x: x + at(part) - size.left, y: y + top, width: size.left + size.right, height: size.height };
      frames.set(child, frame);
      if (inside.has(child)) place(child, x + at(part) - inside.get(child).flow, frame.y + s.header);
    });
    lines.set(n, block.lines.map(([start, end]) => {
      const first = own.rowOf.get(start), last = own.rowOf.get(end), top = own.rows[first][0];
      const points = [[at(start), top + own.extent.get(start).height], [at(start), own.rows[first][1]]];
      if (last > first + 1) {
        const lane = own.middles[own.lanes.get(start)[0]] - own.low;
        points.push([lane, own.rows[first + 1][0]], [lane, own.rows[last - 1][1]]);
      }
      points.push([at(end), own.rows[last][0]]);
      return points.map(([across, down]) => [x + across, y + down]);
    }));
  };
  place(0, s.padding, s.padding);
  const all = inside.get(0);
  return { frames, lines, width: all.width + 2 * s.padding, height: all.height + 2 * s.padding };
}

function pathOf(points) {
  let [x, y] = points[0], text = `M${x} ${y}`;
  for (const [toX, toY] of points.slice(1)) {
    const half = (y + toY) / 2;
    text += x === toX ? `V${toY}` : `C${x} ${half} ${toX} ${half} ${toX} ${toY}`;
    [x, y] = [toX, toY];
  }
  return text;
}

class Drawing {
  constructor(article, facts, choose) {
    this.facts = facts;
    this.svg = article.querySelector(".diagram");
    this.opened = new Set(facts.opened);
    this.unmade = new Map(Object.entries(facts.closed).map(([n, parts]) => [+n, parts]));
    this.find();
    this.parent = new Map(facts.blocks.flatMap((block, n) => block.children.map((child) => [child, n])));
    const act = (target, chosen) => {
      const one = target.closest("[data-box], [data-closed], [data-open]");
      if (!one) return;
      if (one.dataset.box) choose(+one.dataset.box);
      else if (chosen) this.toggle(+(one.dataset.closed ?? one.dataset.open), true);
    };
    this.svg.addEventListener("click", (event) => act(event.target, true));
    this.svg.addEventListener("pointerover", (event) => event.pointerType === "mouse" && act(event.target, false));
    this.svg.addEventListener("focusin", (event) => act(event.target, false));
    this.svg.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") event.preventDefault(), act(event.target, true);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) event.preventDefault(), this.move(event.target, step);
    });
    article.querySelector(".open-all").addEventListener("click", () => this.open(facts.blocks.map((_, n) => n)));
    article.querySelector(".close-all").addEventListener("click", () => this.open([0]));
  }
  move(from, step) { // to the next visible box, in the order of the network
    const seen = [...this.boxes.values(), ...this.closed.values()].filter((one) => !one.hasAttribute("display"));
    const first = (one) => (one.dataset.box ? +one.dataset.box : this.firstIn(+one.dataset.closed));
    seen.sort((a, b) => first(a) - first(b));
    seen[seen.indexOf(from.closest("[data-box], [data-closed]")) + step]?.focus();
  }
  find() { // all elements by number
    const all = (name) => new Map([...this.svg.querySelectorAll(`[data-${name}]`)].map((one) => [+one.dataset[name], one]));
    this.boxes = all("box"), this.closed = all("closed"), this.framed = all("frame"), this.lines = all("lines");
  }
  make() { // creates the content of blocks opened for the first time
    const wanted = [...this.unmade.keys()].filter((n) => this.opened.has(n)).sort((a, b) => a - b);
    const put = (name, at) => this.svg.querySelector(`.${name}`).insertAdjacentHTML("beforeend", wanted.map((n) => this.unmade.get(n)[at]).join(""));
    if (!wanted.length) return;
    put("frames", 0), put("boxes", 1);
    wanted.forEach((n) => this.unmade.delete(n));
    this.find();
  }
  firstIn(n) {
    const child = this.facts.blocks[n].children[0];
    return child < 0 ? ~child : this.firstIn(child);
  }
  toggle(n, focus) {
    if (!this.opened.delete(n)) this.opened.add(n);
    this.draw();
    if (focus) (this.opened.has(n) ? this.framed.get(n).querySelector("[data-open]") : this.closed.get(n)).focus();
  }
  open(blocks) { this.opened = new Set(blocks), this.draw(); }
  show(box) { // opens the blocks around it
    for (let n = this.parent.get(~box); n; n = this.parent.get(n)) if (!this.opened.has(n)) this.opened.add(n), (this.stale = true);
    if (this.stale) this.draw();
    this.boxes.get(box).scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  draw() {
    this.stale = false;
    this.make();
    const { frames, lines, width, height } = geometryOf(this.facts, this.opened);
    const put = (element, frame) => {
      if (!frame) return element.setAttribute("display", "none");
      element.removeAttribute("display");
      element.setAttribute("transform", `translate(${frame.x} ${frame.y})`);
    };
    for (const [n, element] of this.boxes) put(element, frames.get(~n));
    for (const [n, element] of this.closed) put(element, this.opened.has(n) ? null : frames.get(n));
    for (const [n, element] of this.framed) {
      const frame = this.opened.has(n) ? frames.get(n) : null;
      put(element, frame);
      if (!frame) continue;
      const face = element.querySelector(".face");
      face.setAttribute("width", frame.width), face.setAttribute("height", frame.height);
      element.querySelector(".hit").setAttribute("width", frame.width);
    }
    for (const [n, element] of this.lines) {
      element.replaceChildren(...(lines.get(n) ?? []).map((points) => {
        const line = document.createElementNS(SVG, "path");
        line.setAttribute("class", "line"), line.setAttribute("d", pathOf(points));
        return line;
      }));
    }
    this.svg.setAttribute("width", width), this.svg.setAttribute("height", height);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }
  press(box) {
    for (const [n, element] of this.boxes) if (element.getAttribute("aria-pressed") !== String(n === box)) element.setAttribute("aria-pressed", n === box);
  }
}

// ---- The picture: the window of unit (row, column) of a layer.

// First pixel, size and holes of one unit along one axis: [period, advance, windows].
function windowOf([period, advance, windows], unit) {
  const phase = ((unit % period) + period) % period, [first, size, holes] = windows[phase];
  return { first: first + Math.floor(unit / period) * advance, size, holes };
}

class Viewer {
  constructor(article, facts) {
    this.facts = facts, this.svg = article.querySelector(".window"), this.article = article;
    if (!this.svg) return;
    const part = (name) => article.querySelector(name);
    this.part = Object.fromEntries(["photo", "dim", "heat", "holes", "units", "edge", "window-edge", "center"].map((name) => [name, part(`.window .${name}`)]));
    this.seen = part(".seen"), this.profile = part(".profile");
    this.sliders = [part(".sliders .row"), part(".sliders .column")];
    this.sliders.forEach((slider, axis) => slider.addEventListener("input", () => (this.unit[axis] = +slider.value, this.draw())));
    for (const check of article.querySelectorAll(".checks input")) check.addEventListener("change", () => this.draw());
    this.checked = (name) => part(`.show-${name}`).checked;
    const follow = (event) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      this.look([y, x]);
    };
    this.svg.addEventListener("pointerdown", (event) => (this.svg.setPointerCapture(event.pointerId), follow(event)));
    this.svg.addEventListener("pointermove", (event) => this.svg.hasPointerCapture(event.pointerId) && follow(event));
    const [, height, width] = facts.input;
    if (Math.max(height, width) <= 64) this.part.photo.classList.add("pixels");
    for (const [name, value] of Object.entries({ x: -0.5, y: -0.5, width, height })) this.part.edge.setAttribute(name, value);
  }
  choose(layer) {
    if (!this.svg) return;
    this.layer = layer, this.field = this.facts.fields[layer.field];
    const moves = this.field.moves && this.field.axes.length === 2 && layer.units.length === 2;
    this.counts = moves ? layer.units : [1, 1];
    this.unit = this.counts.map((count, axis) => this.middleUnit(count, moves && this.field.axes[axis]));
    this.sliders.forEach((slider, axis) => {
      slider.max = this.counts[axis] - 1, slider.value = this.unit[axis], slider.disabled = this.counts[axis] < 2;
    });
    this.frame();
    this.draw();
  }
  middleUnit(count, axis) { // if units differ, one with the largest window
    const middle = Math.floor((count - 1) / 2);
    if (!axis || axis[0] === 1) return middle;
    const sizes = axis[2].map(([, size]) => size), phase = sizes.indexOf(Math.max(...sizes));
    return phase + Math.max(0, Math.min(Math.round((middle - phase) / axis[0]), Math.floor((count - 1 - phase) / axis[0]))) * axis[0];
  }
  // All windows of the layer and the whole picture fit, so that nothing jumps while a unit is dragged; but the picture
  // stays large enough to be seen.
  frame() {
    const spans = this.facts.input.slice(1).map((size, axis) => {
      let low = -0.5, high = size - 0.5;
      if (this.field.axes.length === 2) {
        for (const unit of [0, this.counts[axis] - 1]) {
          const { first, size: wide } = windowOf(this.field.axes[axis], unit);
          if (wide) low = Math.min(low, first - 0.5), high = Math.max(high, first + wide - 0.5);
        }
      }
      return [low, high - low];
    });
    const picture = this.facts.input.slice(1), most = 5 * Math.max(...picture), wanted = Math.max(spans[0][1], spans[1][1]);
    const side = Math.min(wanted, most), room = side * 0.03;
    const [top, left] = spans.map(([low, size], axis) => (wanted > most ? picture[axis] / 2 - side / 2 : low - (side - size) / 2) - room);
    this.svg.setAttribute("viewBox", `${left} ${top} ${side + 2 * room} ${side + 2 * room}`);
    this.scale = side + 2 * room;
  }
  middle(axis) { // of unit 0, and from one unit to the next
    const [period, advance] = this.field.axes[axis], { first, size } = windowOf(this.field.axes[axis], 0);
    return [first + (size - 1) / 2, advance / period];
  }
  look(point) { // selects the unit whose window's center is nearest to a point
    if (this.field.axes.length !== 2 || !this.field.moves) return;
    this.unit = this.counts.map((count, axis) => {
      const [middle, jump] = this.middle(axis);
      return Math.max(0, Math.min(count - 1, Math.round((point[axis] - middle) / (jump || 1))));
    });
    this.sliders.forEach((slider, axis) => (slider.value = this.unit[axis]));
    this.draw();
  }
  draw() {
    const { axes, moves } = this.field, set = (name, values) => Object.entries(values).forEach(([key, value]) => this.part[name].setAttribute(key, value));
    const show = (name, is) => (is ? this.part[name].removeAttribute("display") : set(name, { display: "none" }));
    const seen = axes.length === 2 && axes.map((axis, at) => windowOf(axis, moves ? this.unit[at] : 0));
    const is = seen && seen[0].size && seen[1].size;
    for (const name of ["dim", "window-edge"]) show(name, is && this.checked("window"));
    show("holes", is && this.checked("holes"));
    show("center", is);
    this.heat(is && this.checked("heat") ? seen : null);
    this.dots(is && this.checked("units") && moves);
    if (!is) return void (this.seen.textContent = this.missing());
    const [rows, columns] = seen, [, height, width] = this.facts.input;
    const box = { x: columns.first - 0.5, y: rows.first - 0.5, width: columns.size, height: rows.size };
    set("window-edge", box);
    set("dim", { d: `M-0.5 -0.5h${width}v${height}h${-width}z${this.clip(box, width, height)}` });
    set("holes", { d: this.stripes(rows, columns, box) });
    set("center", { cx: columns.first + (columns.size - 1) / 2, cy: rows.first + (rows.size - 1) / 2, r: this.scale / 90 });
    this.tell(rows, columns);
  }
  clip(box, width, height) { // only the part of the window on the picture is cut out of the shade
    const x = Math.max(-0.5, box.x), y = Math.max(-0.5, box.y);
    const w = Math.min(width - 0.5, box.x + box.width) - x, h = Math.min(height - 0.5, box.y + box.height) - y;
    return w > 0 && h > 0 ? `M${x} ${y}h${w}v${h}h${-w}z` : "";
  }
  stripes(rows, columns, box) { // rows and columns of the window that are not read
    const gaps = (one) => {
      if (!one.holes) return [];
      const found = [];
      for (let at = 0, next = 0; at < one.holes.length; at += 2) {
        if (one.holes[at] > next) found.push([next, one.holes[at] - next]);
        next = one.holes[at] + one.holes[at + 1];
      }
      return found;
    };
    const across = gaps(rows).map(([at, size]) => `M${box.x} ${box.y + at}h${box.width}v${size}h${-box.width}z`);
    const down = gaps(columns).map(([at, size]) => `M${box.x + at} ${box.y}h${size}v${box.height}h${-size}z`);
    return across.concat(down).join("");
  }
  heat(seen) {
    const profile = this.field.profile, image = this.part.heat;
    this.profile.textContent = "";
    image.setAttribute("display", "none");
    if (!seen) return;
    if (!Array.isArray(profile)) return void (this.profile.textContent = `No effective field here: ${this.uncounted(profile)}.`);
    const both = this.field.axes.map((_, axis) => profile[axis] ?? profile[0]); // an axis equal to the one before is left out
    if (this.field.axes.some(([period], axis) => this.unit[axis] % period !== both[axis][3])) {
      return void (this.profile.textContent = "Units differ here; the effective field is counted for those with the largest window.");
    }
    const values = (text) => [...atob(text)].map((letter) => letter.charCodeAt(0));
    const [[top, tall, rows], [left, wide, columns]] = both.map(([first, width, text]) => [first, width, values(text)]);
    const canvas = document.createElement("canvas");
    canvas.width = columns.length, canvas.height = rows.length;
    const context = canvas.getContext("2d"), pixels = context.createImageData(columns.length, rows.length);
    rows.forEach((row, y) => columns.forEach((column, x) => {
      const share = Math.sqrt((row * column) / 65025); // so that the flanks are visible, as in the plots
      pixels.data.set([255, 92 + 150 * (1 - share), 40, 215 * share], 4 * (y * columns.length + x));
    }));
    context.putImageData(pixels, 0, 0);
    image.setAttribute("href", canvas.toDataURL());
    const place = { x: seen[1].first + left - 0.5, y: seen[0].first + top - 0.5, width: wide * columns.length, height: tall * rows.length };
    Object.entries(place).forEach(([key, value]) => image.setAttribute(key, value));
    image.removeAttribute("display");
    this.profile.textContent = "Effective field: paths to this unit, by the square root of their share; rows times columns.";
  }
  uncounted(why) {
    return why ? `counting this layer ${why}; effective_receptive_field(report, layer="${this.layer.id}") does` : "its units have no position";
  }
  dots(is) {
    const units = this.part.units;
    units.replaceChildren();
    this.svg.querySelector("defs")?.remove();
    if (!is || this.field.axes.some(([period]) => period > 1)) return units.setAttribute("fill", "none");
    const [[row, down], [column, across]] = [this.middle(0), this.middle(1)];
    const defs = document.createElementNS(SVG, "defs"), id = `dots${this.article.dataset.number}`;
    defs.innerHTML = `<pattern id="${id}" patternUnits="userSpaceOnUse" x="${column - across / 2}" y="${row - down / 2}" width="${across}" height="${down}"><circle cx="${across / 2}" cy="${down / 2}" r="${Math.min(across * 0.2, this.scale / 160)}" fill="#f59e0b"/></pattern>`;
    this.svg.prepend(defs);
    const [tall, wide] = this.counts, box = { x: column - across / 2, y: row - down / 2, width: wide * across, height: tall * down, fill: `url(#${id})` };
    Object.entries(box).forEach(([key, value]) => units.setAttribute(key, value));
  }
  missing() {
    return this.layer.status === "unknown" ? "The field of this layer is unknown." : "The units of this layer read no pixels.";
  }
  tell(rows, columns) {
    const [, height, width] = this.facts.input, read = (one) => (one.holes ? one.holes.filter((_, at) => at % 2).reduce((a, b) => a + b, 0) : one.size);
    const signed = (n) => String(n).replace("-", "−"), side = `${rows.size} × ${columns.size} pixels`, outside = rows.first < 0 || columns.first < 0 || rows.first + rows.size > height || columns.first + columns.size > width;
    const who = this.field.moves ? `Unit (${this.unit[0]}, ${this.unit[1]}) of ${this.counts.join(" × ")}` : "The only unit";
    const holes = rows.holes || columns.holes ? ` It reads ${read(rows)} × ${read(columns)} of them.` : "";
    const padding = outside ? " A part lies in the padding." : "";
    const whole = this.layer.since ? ` Behind ${this.layer.since} it also sees the rest of the picture.` : "";
    this.seen.textContent = `${who} sees rows ${signed(rows.first)} to ${signed(rows.first + rows.size - 1)}, columns ${signed(columns.first)} to ${signed(columns.first + columns.size - 1)}: ${side}.${holes}${padding}${whole}`;
  }
}

// ---- One network: drawing, picture, numbers, charts and table show the same selected layer.

class Network {
  constructor(article) {
    this.article = article, this.facts = DATA[+article.dataset.number];
    this.viewer = new Viewer(article, this.facts);
    this.drawing = new Drawing(article, this.facts, (box) => this.choose(box));
    this.rows = new Map([...article.querySelectorAll("[data-row]")].map((row) => [+row.dataset.row, row]));
    article.querySelector(".layers tbody").addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row.dataset.rows) this.fold(row);
      else this.choose(+row.dataset.row), this.drawing.show(+row.dataset.row);
    });
    for (const chart of article.querySelectorAll(".chart[data-count]")) {
      const pick = (event) => {
        const { x } = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
        const { count, left, right } = chart.dataset, box = Math.floor(((x - left) / (right - left)) * count);
        if (box >= 0 && box < count) this.choose(box);
      };
      chart.addEventListener("pointermove", pick), chart.addEventListener("click", pick);
    }
    this.choose(this.facts.features);
  }
  fold(row) {
    const button = row.querySelector("button"), open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", open);
    if (open && !this.article.querySelector(`[data-in="${row.dataset.rows}"]`)) this.fill(row);
    for (const one of this.article.querySelectorAll(`[data-in="${row.dataset.rows}"]`)) one.hidden = !open;
  }
  fill(row) { // adds the rows of a block that was closed when the page was written
    const boxes = (n) => this.facts.blocks[n].children.flatMap((child) => (child < 0 ? [~child] : boxes(child)));
    row.after(...boxes(+row.dataset.rows).map((box) => {
      const layer = this.facts.layers[box], line = document.createElement("tr");
      const cell = (kind, text, name) => line.append(Object.assign(document.createElement(kind), { textContent: text, className: name }));
      cell("th", layer.id, ""), line.firstChild.setAttribute("scope", "row");
      cell("td", layer.op, ""), cell("td", layer.shape, ""), cell("td", layer.size, "n");
      ["params", "macs", "live"].forEach((key, at) => {
        cell("td", number(layer[key]), `n m${at + 1}`), line.lastChild.style.setProperty("--p", layer[key] / this.facts.most[at]);
      });
      line.className = "inner", line.dataset.in = row.dataset.rows, line.dataset.row = box;
      this.rows.set(box, line);
      return line;
    }));
    this.rows.get(this.box)?.classList.add("at");
    if (phone.matches) nameCells(row.closest("table"));
  }
  choose(box) {
    if (box === this.box) return;
    const layer = this.facts.layers[box];
    this.rows.get(this.box)?.classList.remove("at"), this.rows.get(box)?.classList.add("at");
    this.box = box;
    this.drawing.press(box);
    this.viewer.choose(layer);
    this.article.querySelector(".chosen").textContent = layer.id;
    this.article.querySelector(".operation").textContent = [layer.op, ...layer.then].join(" · ");
    const facts = {
      Output: layer.shape,
      "Receptive field": `${layer.size}${layer.jump ? ` at jump ${layer.jump}` : ""}`,
      Parameters: [number(layer.params), percent(layer.params, this.facts.params)],
      "Multiply-adds": [number(layer.macs), percent(layer.macs, this.facts.macs)],
      "Live memory": `${number(layer.live)} bytes`,
      Status: layer.status.replace("_", " "),
    };
    for (const [name, [measure, limit]] of Object.entries(this.facts.budgets)) facts[`Of the budget of ${name}`] = percent(layer[measure], limit) || "0 %";
    this.article.querySelector(".inspector .facts").replaceChildren(...Object.entries(facts).map(([name, value]) => {
      const row = document.createElement("div"), term = document.createElement("dt"), said = document.createElement("dd");
      term.textContent = name;
      const [main, share] = [value].flat();
      said.textContent = main;
      if (share) { const small = document.createElement("small"); small.textContent = ` ${share}`; said.append(small); }
      row.append(term, said);
      return row;
    }));
    this.article.querySelector(".formulas").replaceChildren(...layer.formulas.map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    for (const chart of this.article.querySelectorAll(".chart[data-count]")) {
      const { count, left, right } = chart.dataset, cursor = chart.querySelector(".cursor"), x = +left + ((box + 0.5) / count) * (right - left);
      cursor.removeAttribute("display"), cursor.setAttribute("x1", x), cursor.setAttribute("x2", x);
    }
  }
}

// ---- On a phone, each table row is a card whose cells show their column names.

const phone = matchMedia("(max-width: 620px)");
function nameCells(table) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  for (const body of [...table.tBodies, table.tFoot]) {
    for (const row of body?.rows ?? []) [...row.cells].forEach((cell, at) => (cell.dataset.name = names[at]));
  }
}
function nameAll() { if (phone.matches) document.querySelectorAll("table.cards").forEach(nameCells); }
phone.addEventListener("change", nameAll), nameAll();

// ---- Two drawings side by side: highlights the partner of the box under the pointer.

for (const both of document.querySelectorAll(".besides")) {
  const show = (event) => {
    const pair = event.target.closest("[data-pair]")?.dataset.pair;
    for (const box of both.querySelectorAll("[data-pair]")) box.classList.toggle("partner", box.dataset.pair === pair);
  };
  both.addEventListener("pointerover", show), both.addEventListener("click", show);
}

// ---- On paper, a drawing is split into strips between boxes, where pages may break.

const STRIPS = 40;

function cutsOf(svg) {
  const height = svg.viewBox.baseVal.height, spans = [];
  for (const box of svg.querySelectorAll(".box:not([display])")) {
    const y = +/[ ,]([\d.-]+)\)/.exec(box.getAttribute("transform"))[1];
    spans.push([y - 15, y + box.querySelector(".face").height.baseVal.value + 5]); // includes the mark above and the second edge below
  }
  spans.sort((one, other) => one[0] - other[0]);
  const cuts = [0];
  let end = 0;
  for (const [first, last] of spans) {
    if (first > end && (first + end) / 2 - cuts[cuts.length - 1] >= height / STRIPS) cuts.push((first + end) / 2);
    end = Math.max(end, last);
  }
  return [...cuts.filter((cut) => cut < height), height];
}

addEventListener("beforeprint", () => {
  for (const article of document.querySelectorAll(".network")) wake(article);
  for (const svg of document.querySelectorAll(".diagram")) {
    const { x, width } = svg.viewBox.baseVal, cuts = cutsOf(svg), paper = document.createElement("div");
    paper.className = "paper";
    cuts.slice(1).forEach((to, at) => {
      const strip = svg.cloneNode(true), height = to - cuts[at];
      for (const [name, value] of Object.entries({ viewBox: `${x} ${cuts[at]} ${width} ${height}`, width, height, class: "strip" })) strip.setAttribute(name, value);
      paper.append(strip);
    });
    svg.parentElement.classList.add("cut"), svg.after(paper);
  }
});
addEventListener("afterprint", () => {
  for (const paper of document.querySelectorAll(".paper")) paper.parentElement.classList.remove("cut"), paper.remove();
});

function center(svg) { // a drawing wider than its frame starts with its first box centered
  const frame = svg.parentElement, seen = frame.getBoundingClientRect(), box = svg.querySelector(".box").getBoundingClientRect();
  frame.scrollLeft += box.x + box.width / 2 - seen.x - seen.width / 2;
}

const networks = new Map();
function wake(article) {
  if (networks.has(article)) return;
  networks.set(article, new Network(article)), center(article.querySelector(".diagram"));
}
document.querySelectorAll(".besides .diagram").forEach(center);
for (const article of document.querySelectorAll(".network:not([hidden])")) wake(article);
const tabs = [...document.querySelectorAll('[role="tab"]')];
tabs.forEach((tab, at) => {
  tab.addEventListener("click", () => tabs.forEach((one) => {
    const panel = document.getElementById(one.getAttribute("aria-controls")), is = one === tab;
    one.setAttribute("aria-selected", is), (one.tabIndex = is ? 0 : -1), (panel.hidden = !is);
    if (is && panel.classList.contains("network")) wake(panel);
  }));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) tabs[(at + step + tabs.length) % tabs.length].focus(), tabs[(at + step + tabs.length) % tabs.length].click();
  });
});
const theme = document.querySelector(".theme"), dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
theme.setAttribute("aria-pressed", isDark());
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  theme.setAttribute("aria-pressed", isDark());
});
