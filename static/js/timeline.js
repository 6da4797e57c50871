// Two radiographs to compare: the third can't be ticked, and the button waits for the second.
// Without script the server says what is missing.
const form = document.getElementById("compare-form");
if (form) {
  const boxes = [...document.querySelectorAll("input[form=compare-form]")];
  const button = form.querySelector("button");
  const mark = () => {
    const count = boxes.filter((box) => box.checked).length;
    for (const box of boxes) box.disabled = count >= 2 && !box.checked;
    button.disabled = count !== 2;
  };
  for (const box of boxes) box.addEventListener("change", mark);
  // What the browser remembers of the page is marked, too.
  addEventListener("pageshow", mark);
  mark();
}
