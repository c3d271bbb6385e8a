// Looks again at a change while the worker is at it. Without this script the button does the same.
"use strict";
const PAUSE = 2000; // milliseconds
async function look() {
  const here = document.getElementById("progress");
  if (here === null || document.visibilityState === "hidden") {
    setTimeout(look, PAUSE);
    return;
  }
  let text = "";
  try {
    text = await (await fetch(location.pathname + location.search)).text();
  } catch {
    setTimeout(look, PAUSE);
    return;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const there = page.getElementById("progress");
  if (there === null || there.dataset.state !== here.dataset.state) {
    location.reload();
    return;
  }
  here.replaceChildren(...there.childNodes);
  setTimeout(look, PAUSE);
}
setTimeout(look, PAUSE);
