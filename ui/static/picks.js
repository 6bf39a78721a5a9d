// A list of buttons: a click tells the page which one was picked.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-id]");
  if (button) trigger("select", { id: button.dataset.id });
});
