// A click on a heading sorts the table; a second click turns the order round. Empty cells stay at the end.
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0];
  table.querySelectorAll("thead button").forEach(function (button) {
    button.addEventListener("click", function () {
      var heading = button.closest("th"), place = heading.cellIndex;
      var down = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      var rows = Array.from(body.rows).map(function (row, number) {
        var text = row.cells[place].dataset.order;
        return { row: row, number: number, empty: text === "", value: text !== "" && !isNaN(text) ? Number(text) : text };
      });
      rows.sort(function (a, b) {
        if (a.empty !== b.empty) { return a.empty ? 1 : -1; }
        if (a.value === b.value) { return a.number - b.number; }
        var order = typeof a.value === typeof b.value ? (a.value < b.value ? -1 : 1) : (typeof a.value === "number" ? -1 : 1);
        return down ? -order : order;
      });
      rows.forEach(function (entry) { body.appendChild(entry.row); });
    });
  });
});
