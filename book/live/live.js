// Running the cells of a page. book.js loads this at the first Run or Edit, or where the reader left changes.
const body = document.body;
const key = `python:${location.pathname}`;

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
const button = (name, act) => make("button", { type: "button", textContent: name, onclick: act });
const say = (text) => (status.textContent = text);

// ---- One cell: its code, as published and as it is now, and what it shows ----
class Cell {
  constructor(element, place) {
    const code = element.querySelector("pre.code code");
    Object.assign(this, { element, place, code, name: `cell ${place + 1}`, published: code.textContent, highlighted: code.innerHTML });
    this.box = element.querySelector(".code-box");
    this.tools = element.querySelector(".run");
    this.stored = [...element.querySelectorAll(":scope > .output, :scope > figure")];
    this.aside = element.matches(".aside"); // a solution: nobody's cells need it
    this.back = button("Back to the published code", () => this.restore());
    this.note = make("span", { className: "changed", textContent: "Changed" });
  }

  get source() {
    return this.editor ? this.editor.state.doc.toString() : this.code.textContent;
  }

  get changed() {
    return this.source !== this.published;
  }

  async edit() {
    if (!this.editor) {
      const { EditorView, Prec, extensions, keymap } = await import("./codemirror.min.js");
      const run = () => (press(this.element, "Run"), true);
      const leave = () => (this.tools.querySelector("button").focus(), true);
      const look = document.createElement("link");
      Object.assign(look, { rel: "stylesheet", href: new URL("live.css", import.meta.url).href });
      this.host = make("div", { className: "editor" });
      const root = this.host.attachShadow({ mode: "open" }); // where the pages' policy lets an editor have a style
      root.append(look);
      this.editor = new EditorView({
        doc: this.code.textContent,
        root,
        parent: root,
        extensions: [
          Prec.highest(keymap.of([{ key: "Shift-Enter", run }, { key: "Escape", run: leave }])),
          extensions,
          EditorView.contentAttributes.of({ "aria-label": `Code of ${this.name}. Shift+Enter runs it, Escape leaves it.` }),
          EditorView.updateListener.of((update) => update.docChanged && this.typed()),
        ],
      });
      this.box.before(this.host);
      this.box.hidden = true;
    }
    this.editor.focus();
  }

  // The code is another than it was: say so, keep it.
  typed() {
    this.code.textContent = this.source;
    if (!this.changed) this.code.innerHTML = this.highlighted;
    this.mark();
    keep();
  }

  mark() {
    if (this.changed) this.tools.append(this.note, this.back);
    else this.note.remove(), this.back.remove();
  }

  restore() {
    this.tools.querySelector("button").focus();
    this.editor?.destroy();
    this.host?.remove();
    this.editor = this.host = undefined;
    this.box.hidden = false;
    this.code.innerHTML = this.highlighted;
    this.ran = undefined;
    this.show();
    this.mark();
    keep();
    say(`${this.name}: as published again.`);
  }

  // ---- What it shows: the stored outputs, or those of a run in their place ----
  show(...results) {
    this.results?.remove();
    this.results = undefined;
    for (const output of this.stored) output.hidden = results.length > 0;
    if (!results.length) return;
    this.results = make("div", { className: "results" }, ...results);
    this.element.append(this.results);
  }

  begin() {
    this.fresh = true; // the old outputs stay until there are new ones
    this.text = "";
    this.figures = this.stored.filter((output) => output.matches("figure"));
    this.element.setAttribute("aria-busy", "true");
  }

  add(result) {
    if (this.fresh) this.show(result);
    else this.results.append(result);
    this.fresh = false;
  }

  receive({ kind, text, more }) {
    if (kind === "text") {
      const last = this.fresh || this.results.lastChild;
      this.text += text;
      if (last.printed) return last.printed.append(text);
      const printed = make("samp", {}, text);
      this.add(Object.assign(output(printed), { printed }));
    } else if (kind === "html") {
      const table = make("div", { className: "table", innerHTML: text, tabIndex: 0, role: "group", ariaLabel: "Table" });
      this.add(make("div", { className: "output" }, table));
    } else if (kind === "figure" || kind === "explorer") {
      const figure = this.figures.shift()?.cloneNode(true) ?? make("figure", {}, make("div"));
      const drawing = make("div", { className: "drawing", innerHTML: text });
      const shown = kind === "explorer" ? make("div", { innerHTML: `${more}</gd-explorer>` }).firstChild : drawing;
      if (kind === "explorer") shown.append(drawing);
      figure.hidden = false;
      figure.querySelector(".drawing, gd-explorer, div").replaceWith(shown);
      this.add(figure);
    } else if (kind === "error" || kind === "failed") {
      this.wrong = text;
      const error = output(make("samp", {}, text));
      error.classList.add("wrong");
      if (more) error.append(make("details", { className: "fold" }, make("summary", {}, "Traceback"), pre(make("samp", {}, more))));
      this.add(error);
    }
  }

  end() {
    this.element.removeAttribute("aria-busy");
    if (this.fresh) this.show(...(this.stored.length && this.changed ? [make("div", { className: "results" })] : []));
    const published = this.stored.find((output) => output.matches(".as-published"));
    if (!published || this.fresh || this.wrong) return;
    const same = this.text.trimEnd() === published.querySelector("samp").textContent.trimEnd();
    const mark = published.querySelector(".mark").cloneNode(true);
    const words = same ? "as published, computed in your browser" : "not as published: the code is changed, or its numbers are";
    (mark.querySelector("a") ?? mark).textContent = words;
    mark.classList.toggle("differs", !same);
    this.results.lastChild.append(mark);
    this.results.lastChild.classList.toggle("as-published", same);
  }
}

const pre = (child) => make("pre", { tabIndex: 0, role: "group", ariaLabel: "Output" }, child);
const output = (child) => make("div", { className: "output" }, pre(child));

// ---- What the reader changed survives the visit ----
function keep() {
  const changes = cells.filter((cell) => cell.changed).map((cell) => [cell.place, cell.published, cell.source]);
  try {
    if (changes.length) localStorage.setItem(key, JSON.stringify(changes));
    else localStorage.removeItem(key);
  } catch (error) {
    // No storage: the changes last as long as the page.
  }
}

function recall() {
  try {
    for (const [place, published, source] of JSON.parse(localStorage.getItem(key)) ?? []) {
      const cell = cells[place];
      if (cell?.published !== published) continue; // the book has another cell there now
      cell.code.textContent = source;
      cell.mark();
      cell.element.querySelectorAll("details.fold").forEach((fold) => (fold.open = true));
    }
  } catch (error) {
    localStorage.removeItem(key);
  }
}

// ---- Python: a worker, asked for one cell at a time ----
let worker, current, stopped;
let waiting = [];

function ask(cell) {
  worker ??= new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  cell.begin();
  cell.wrong = undefined;
  return new Promise((done) => {
    stopped = done;
    worker.onmessage = ({ data }) => {
      if (data.kind === "progress") load(data);
      else if (data.kind === "running") loaded(), say(`${cell.name} is running.`);
      else if (data.kind === "done") done();
      else cell.receive(data);
    };
    worker.onerror = (event) => {
      cell.receive({ kind: "failed", text: `Python could not be started here. ${event.message ?? ""}`, more: "" });
      worker = undefined;
      done();
    };
    const alts = cell.figures.map((figure) => figure.querySelector("svg")?.getAttribute("aria-label") ?? "");
    worker.postMessage({ code: cell.source, name: cell.name, alts: cell.changed ? [] : alts, libraries: body.dataset.python.split(" ") });
  });
}

async function work() {
  if (current) return;
  bar.hidden = false;
  bar.classList.add("busy");
  const begin = performance.now();
  let count = 0;
  while ((current = waiting.shift())) {
    const cell = current;
    const code = cell.source;
    await ask(cell);
    cell.end();
    cell.ran = cell.wrong ? undefined : code;
    count += 1;
    if (cell.wrong) {
      const kept = waiting.length ? " The cells below it were not run." : "";
      waiting = [];
      say(`${cell.name}: ${cell.wrong}.${kept}`);
    }
  }
  loaded();
  bar.classList.remove("busy");
  const last = status.textContent;
  if (!last || last.endsWith("running.")) say(`${count === 1 ? "1 cell has" : `${count} cells have`} run, in ${((performance.now() - begin) / 1000).toFixed(1)} s.`);
}

function fresh() {
  worker?.terminate();
  worker = undefined;
  waiting = [];
  for (const cell of cells) cell.ran = undefined;
  stopped?.();
}

function stop() {
  if (!current) return;
  current.receive({ kind: "error", text: "Stopped.", more: "" });
  fresh();
  say("Stopped. Python starts afresh at the next Run.");
}

function restart() {
  stop();
  fresh();
  for (const cell of cells) cell.show();
  say("Python starts afresh at the next Run; the stored outputs are back.");
}

function clear() {
  restart();
  for (const cell of cells) if (cell.changed || cell.editor) cell.restore();
  say("Everything is as published.");
}

// ---- The bar at the foot of the window ----
const status = make("p", { role: "status" });
const progress = make("progress", { max: 1, value: 0, ariaLabel: "Loading Python", hidden: true });
const bar = make("section", { className: "python-bar", ariaLabel: "Python in this page", hidden: true }, status, progress);
bar.append(button("Run all", all), button("Stop", stop), button("Restart", restart), button("As published", clear));

function load({ name, loaded, total }) {
  progress.hidden = false;
  progress.value = loaded / total;
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  progress.title = `${megabytes(loaded)} of ${megabytes(total)} MB`;
  const words = `Loading ${name}`;
  label.textContent = `${words}: ${progress.title}`;
  if (!status.textContent.startsWith("Loading")) say("Loading Python. The first time takes a while.");
}
const label = make("span", { ariaHidden: "true" });
progress.after(label);
function loaded() {
  progress.hidden = true;
  label.textContent = "";
}

function all() {
  waiting.push(...cells);
  work();
}

const style = make("link", { rel: "stylesheet", href: new URL("live.css", import.meta.url).href });
document.head.append(style);
const cells = [...document.querySelectorAll(".cell.live")].map((element, place) => new Cell(element, place));
document.querySelector("main").append(bar);
recall();

export function press(element, what) {
  const cell = cells.find((cell) => cell.element === element);
  if (what === "Edit") return cell.edit();
  const above = cells.slice(0, cell.place).filter((one) => one.ran !== one.source && (cell.aside || !one.aside));
  for (const one of [...above, cell]) if (!waiting.includes(one)) waiting.push(one);
  return work();
}
