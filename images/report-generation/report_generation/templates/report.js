"use strict";
// Every table can be sorted by its columns and filtered by words; without this file it is a table.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];

  const key = (row, column) => {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    if (value === undefined) return cell.textContent;
    return value === "" ? null : Number(value);
  };
  const compare = (one, other) => {
    if (one === null || other === null) return (one === null) - (other === null); // nothing is last
    return typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });
  };
  const sort = (column) => {
    const head = heads[column];
    const numeric = rows.some((row) => row.cells[column].dataset.value);
    // Numbers begin with the largest, words with A; the third time brings the first order back.
    const [first, second] = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
    const now = head.getAttribute("aria-sort");
    const next = now === "none" ? first : now === first ? second : "none";
    for (const each of heads) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", next);
    const sorted = [...rows];
    if (next !== "none") {
      const sign = next === "ascending" ? 1 : -1;
      sorted.sort((one, other) => {
        const [a, b] = [key(one, column), key(other, column)];
        return a === null || b === null ? compare(a, b) : sign * compare(a, b);
      });
    }
    body.append(...sorted);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(column));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });

  const tools = document.createElement("div");
  tools.className = "tools";
  const shown = document.createElement("output");
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Filter";
  input.setAttribute("aria-label", "Filter: " + table.caption.firstChild.textContent.trim());
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      // A space after each cell, so that no word reaches over two of them.
      const text = [...row.cells].map((cell) => cell.textContent.toLowerCase()).join(" ");
      row.hidden = !words.every((word) => text.includes(word));
      count += !row.hidden;
    }
    shown.textContent = words.length ? count + " of " + rows.length : "";
  });
  tools.append(shown, input);
  table.closest(".table").prepend(tools);
}
