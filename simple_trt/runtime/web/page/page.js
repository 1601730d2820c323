// Asks for the numbers twice a second, and shows the stream of the source that is selected.

import { colour, draw, stagesOf } from "/chart.js";

const PERIOD = 500; // milliseconds
const STALLED = 3; // seconds without a frame after which a source that says it runs is said to be stalled
const $ = (id) => document.getElementById(id);
let selected = 0;
let shownStream = null;
let newest = null;

function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

const number = (value, digits = 0) => (value === null ? "–" : value.toFixed(digits));
const milliseconds = (value) => (value === null ? "–" : number(value, value < 100 ? 1 : 0));
const statusOf = (source) =>
  (source.status === "running" && source.live && source.age > STALLED ? "stalled" : source.status);
const shortened = (name) => name.replace(/^\w+:\/\//, "");

function show(stats) {
  newest = stats;
  selected = Math.min(selected, stats.sources.length - 1);
  const source = stats.sources[selected];
  text("engine", stats.engine);
  showSources(stats.sources);
  showView(source);
  showNumbers(source);
  showChart(source, stats.now);
}

function showSources(sources) {
  const bar = $("sources");
  bar.hidden = sources.length < 2;
  if (bar.hidden) return;
  while (bar.children.length < sources.length) bar.append(sourceButton(bar.children.length));
  sources.forEach((source, i) => {
    const [dot, name, people] = bar.children[i].children;
    bar.children[i].setAttribute("aria-pressed", String(i === selected));
    bar.children[i].title = source.name;
    dot.className = `dot ${statusOf(source)}`;
    name.textContent = shortened(source.name);
    people.textContent = String(source.people);
  });
}

function sourceButton(i) {
  const button = document.createElement("button");
  button.append(...[1, 2, 3].map(() => document.createElement("span")));
  button.addEventListener("click", () => { selected = i; show(newest); });
  return button;
}

function showView(source) {
  const status = statusOf(source);
  text("status", status);
  text("name", source.name);
  text("size", source.width ? `${source.width} × ${source.height}` : "");
  $("dot").className = `dot ${status}`;
  $("overlay").hidden = !["lost", "stalled", "starting"].includes(status);
  text("overlay", status === "lost" ? `Source lost. ${source.detail}` : `${status}…`);
  if (source.found && shownStream !== selected) {
    shownStream = selected;
    $("stream").src = `/stream/${selected}?${Date.now()}`;
  }
}

function showNumbers(source) {
  const { p50, p99, throughput, drop_rate: dropRate } = source.recent;
  text("people", source.found ? String(source.people) : "–");
  text("p50", milliseconds(p50));
  text("p99", milliseconds(p99));
  text("throughput", number(throughput, 1));
  text("drop_rate", `${number(100 * dropRate, 1)} %`);
  text("dropped", source.dropped.toLocaleString("en"));
  text("of", `dropped of ${source.captured.toLocaleString("en")}`);
  text("losses", String(source.losses));
}

function showChart(source, now) {
  draw($("chart"), source.history, now);
  const stages = stagesOf(source.history);
  const items = stages.map((stage) => legendItem(stage, colour(stage), ""));
  $("legend").replaceChildren(...items, legendItem("p50", "", "stroke"), legendItem("p99", "", "stroke dashed"));
  const last = source.history.filter((second) => second.found).at(-1);
  const means = last ? stages.map((stage) => `${stage} ${milliseconds(last.stages[stage] ?? 0)}`).join(" · ") : "";
  text("means", means && `last second, means in ms: ${means}`);
}

function legendItem(label, background, kind) {
  const item = document.createElement("li"), mark = document.createElement("i");
  mark.className = kind;
  mark.style.background = background;
  item.append(mark, label);
  return item;
}

async function ask() {
  try {
    const answer = await fetch("/stats.json", { signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(answer.status === 401 ? "not allowed: open the printed address" : answer.statusText);
    show(await answer.json());
    text("connection", `up ${Math.round(newest.uptime)} s`);
    $("connection").className = "";
  } catch (error) {
    text("connection", error.message.startsWith("not allowed") ? error.message : "no connection to simple-trt");
    $("connection").className = "broken";
    shownStream = null;
  }
  setTimeout(ask, PERIOD);
}

$("stream").addEventListener("error", () => { shownStream = null; });
window.addEventListener("resize", () => newest && showChart(newest.sources[selected], newest.now));
ask();
