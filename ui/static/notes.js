// The list of notes: ticks live in the value, so that the next click sends them with it.
const boxes = () => [...element.querySelectorAll("input[type=checkbox]")];
const ticked = () => boxes().filter((box) => box.checked).map((box) => box.value);

function showTicks() {
  const wanted = new Set(props.value.ticked);
  for (const box of boxes()) box.checked = wanted.has(box.value);
}

function tell() {
  props.value = { ...props.value, ticked: ticked() };
  trigger("input", {});
}

element.addEventListener("change", (event) => {
  if (event.target.matches("input[type=checkbox]")) tell();
});

element.addEventListener("click", (event) => {
  const all = event.target.closest("button[data-all]");
  const note = event.target.closest("button[data-id]");
  if (all) {
    for (const box of boxes()) box.checked = all.dataset.all === "yes";
    tell();
  } else if (note) {
    for (const other of element.querySelectorAll(".note.reading")) other.classList.remove("reading");
    note.closest(".note").classList.add("reading");
    trigger("select", { id: note.dataset.id });
  }
});

watch("value", showTicks);
showTicks();
