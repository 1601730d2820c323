// Latency by stage, second by second: stages stacked, p50 and p99 as lines over them.

export const SPAN = 60; // seconds
const COLOURS = {
  read: "#8e9aab", queue: "#d9a441", preprocess: "#4fa3a5", inference: "#3b7dd8", postprocess: "#8a63c9",
  tracking: "#c65b8a", smoothing: "#6aa84f",
};
const OTHER = "#7a7f87";
const LONGEST_GAP = 3; // seconds: a slow engine does not find people every second
const MARGIN = { left: 44, right: 8, top: 8, bottom: 22 };

export const colour = (stage) => COLOURS[stage] ?? OTHER;

export function stagesOf(history) {
  const seen = new Set(history.flatMap((second) => Object.keys(second.stages)));
  return [...Object.keys(COLOURS).filter((stage) => seen.delete(stage)), ...seen];
}

export function draw(canvas, history, now) {
  const { width, height, pen } = prepared(canvas);
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink"), faint = style.getPropertyValue("--faint");
  const line = style.getPropertyValue("--line");
  const seconds = history.filter((second) => second.at >= now - SPAN && second.found > 0);
  const top = ceiling(Math.max(1, ...seconds.map((second) => Math.max(second.p99, total(second)))));
  const x = (at) => width - MARGIN.right - (Math.floor(now) - 1 - at) / (SPAN - 1) * (width - MARGIN.left - MARGIN.right);
  const y = (ms) => height - MARGIN.bottom - ms / top * (height - MARGIN.top - MARGIN.bottom);

  axes(pen, x, y, top, now, { width, height, faint, line });
  for (const run of runs(seconds)) {
    areas(pen, run, stagesOf(seconds), x, y);
    curve(pen, run, (second) => second.p50, x, y, ink, []);
    curve(pen, run, (second) => second.p99, x, y, ink, [2, 4]);
  }
}

function prepared(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { width, height, pen };
}

function axes(pen, x, y, top, now, { width, height, faint, line }) {
  pen.strokeStyle = line;
  pen.fillStyle = faint;
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (let i = 0; i <= 4; i++) {
    const ms = top * i / 4;
    pen.beginPath();
    pen.moveTo(MARGIN.left, y(ms));
    pen.lineTo(width - MARGIN.right, y(ms));
    pen.stroke();
    pen.fillText(String(+ms.toPrecision(3)), MARGIN.left - 6, y(ms));
  }
  pen.textBaseline = "alphabetic";
  for (let ago = 0; ago < SPAN; ago += 15) {
    pen.textAlign = ago ? "center" : "right";
    pen.fillText(ago ? `${-ago} s` : "now", x(Math.floor(now) - 1 - ago), height - 6);
  }
}

// Stretches without a longer gap: where nothing was found, nothing is drawn.
function runs(seconds) {
  const found = [];
  for (const second of seconds) {
    const last = found.at(-1);
    if (last && second.at - last.at(-1).at <= LONGEST_GAP) last.push(second);
    else found.push([second]);
  }
  return found;
}

function areas(pen, run, stages, x, y) {
  let below = run.map(() => 0);
  for (const stage of stages) {
    const above = run.map((second, i) => below[i] + (second.stages[stage] ?? 0));
    pen.beginPath();
    points(run, x).forEach((at, i) => pen.lineTo(at, y(above[Math.min(i, run.length - 1)])));
    points(run, x).reverse().forEach((at, i) => pen.lineTo(at, y(below[Math.max(run.length - 1 - i, 0)])));
    pen.closePath();
    pen.fillStyle = colour(stage);
    pen.globalAlpha = 0.8;
    pen.fill();
    pen.globalAlpha = 1;
    below = above;
  }
}

function curve(pen, run, value, x, y, ink, dashes) {
  pen.beginPath();
  points(run, x).forEach((at, i) => pen.lineTo(at, y(value(run[Math.min(i, run.length - 1)]))));
  pen.strokeStyle = ink;
  pen.lineWidth = 2;
  pen.setLineDash(dashes);
  pen.stroke();
  pen.setLineDash([]);
}

// A second alone has no width: it gets some.
function points(run, x) {
  const places = run.map((second) => x(second.at));
  return run.length === 1 ? [places[0] - 2, places[0] + 2] : places;
}

const total = (second) => Object.values(second.stages).reduce((sum, ms) => sum + ms, 0);

// The next round number that four lines divide well.
function ceiling(ms) {
  const power = 10 ** Math.floor(Math.log10(ms));
  return [1, 2, 4, 6, 8, 10].find((step) => step * power >= ms) * power;
}
