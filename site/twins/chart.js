// A chart of a few lines, as SVG with an alt text: dark on white, as the course's pictures are (site.css turns it round where the page is dark).
import {FAKE, FAINT, INK, PALETTE} from "./course.js";

const WIDE = 440, LEFT = 52, BELOW = 40, DASHES = ["", "6 3", "2 3"];
export const signed = value => String(value).replace("-", "−");

// lines: {name: [[x, y], …]}; x, y: ranges; here: a point to mark; mark: a place on the x axis; levels: heights of dotted lines.
export function chart(lines, {x, y, ticks, name, label = signed, alt, here, mark, levels = [], colours = PALETTE, high = 270}) {
  const at = ([a, b]) => [LEFT + (WIDE - LEFT - 10) * (a - x[0]) / (x[1] - x[0]), 24 + (high - 24 - BELOW) * (y[1] - b) / (y[1] - y[0])];
  const text = (left, top, words, anchor = "middle") => `<text x="${left}" y="${top}" text-anchor="${anchor}" font-size="13" fill="${INK}">${words}</text>`;
  let body = ticks.map(v => { const [, top] = at([x[0], v]); return `<path d="M${LEFT} ${top}H${WIDE - 10}" stroke="${FAINT}" stroke-opacity=".3"/>` + text(LEFT - 6, top + 4, label(v), "end") }).join("");
  for (const v of levels) body += `<path d="M${LEFT} ${at([x[0], v])[1]}H${WIDE - 10}" stroke="${FAINT}" stroke-dasharray="1 4"/>`;
  for (const v of [x[0], (x[0] + x[1]) / 2, x[1]]) body += text(at([v, 0])[0], high - BELOW + 18, signed(v.toLocaleString("en")), v === x[1] ? "end" : "middle");
  body += text((LEFT + WIDE) / 2, high - 4, name);
  if (mark !== undefined) body += `<path d="M${at([mark, 0])[0]} 24V${high - BELOW}" stroke="${INK}" stroke-width="2"/>`;
  Object.entries(lines).forEach(([word, points], i) => {
    body += `<polyline points="${points.map(p => at(p).map(v => v.toFixed(1))).join(" ")}" fill="none" stroke="${colours[i]}" stroke-width="2" stroke-dasharray="${DASHES[i]}"/>`;
    body += `<path d="M${LEFT + 150 * i} 10h24" stroke="${colours[i]}" stroke-width="2" stroke-dasharray="${DASHES[i]}"/>` + text(LEFT + 30 + 150 * i, 14, word, "start");
  });
  if (here) { const [left, top] = at(here); body += `<path d="M${left} ${top - 7}l7 7l-7 7l-7 -7z" fill="${FAKE}" stroke="${INK}"/>` }
  return `<svg class="chart" viewBox="0 0 ${WIDE} ${high}" role="img" aria-label="${alt}">${body}</svg>`;
}
