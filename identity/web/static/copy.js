// Puts a button beside each text that is there to be copied. Without this script it is selected by hand.
"use strict";
for (const text of document.querySelectorAll("textarea[data-copy]")) {
  const button = document.createElement("button");
  const said = document.createElement("span");
  button.type = "button";
  button.className = "button second";
  button.textContent = text.dataset.copy;
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      return; // it is selected, and copied by keyboard
    }
    said.textContent = ` ${text.dataset.copied}`;
  });
  text.after(button, said);
}
