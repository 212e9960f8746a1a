"use strict";
// Tables: a click on a heading sorts by that column, a second click the other way. Cells without a number stay last.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const numeric = [...body.rows].some((row) => "value" in row.cells[column].dataset);
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? second : first;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => {
        const cell = row.cells[column];
        return "value" in cell.dataset ? Number(cell.dataset.value) : numeric ? null : cell.textContent;
      };
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return sign * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// Plots: the nearest mark shows its text under the pointer, at a touch, and with the arrow keys.
const hint = document.getElementById("hint");
const REACH = 28; // pixels
let shown = null;

function show(mark, left, top) {
  if (shown !== mark) {
    if (shown) shown.classList.remove("on");
    shown = mark;
    hint.hidden = !mark;
    if (mark) {
      mark.classList.add("on");
      hint.textContent = mark.dataset.text;
    }
  }
  if (!mark) return;
  const room = document.documentElement;
  hint.style.left = Math.max(4, Math.min(left + 12, room.clientWidth - hint.offsetWidth - 4)) + "px";
  hint.style.top = (top + 16 + hint.offsetHeight > room.clientHeight ? top - hint.offsetHeight - 10 : top + 16) + "px";
}

function centre(mark) {
  const box = mark.getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2, reach: Math.max(REACH, box.width / 2, box.height / 2) };
}

for (const plot of document.querySelectorAll("svg")) {
  const marks = [...plot.querySelectorAll("[data-text]")];
  if (!marks.length) continue;
  let at = -1;
  const point = (event) => {
    let best = null;
    let distance = Infinity;
    for (const mark of marks) {
      const { x, y, reach } = centre(mark);
      const away = Math.hypot(event.clientX - x, event.clientY - y);
      if (away < distance && away <= reach) [best, distance] = [mark, away];
    }
    show(best, event.clientX, event.clientY);
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", () => show(null));
  plot.addEventListener("blur", () => show(null));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    at = (at + step + marks.length) % marks.length;
    const { x, y } = centre(marks[at]);
    show(marks[at], x, y);
  });
}
document.addEventListener("scroll", () => show(null), { passive: true });
