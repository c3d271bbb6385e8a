// Passkeys: asks for a challenge, and the browser for its answer, then sends an ordinary form.
// Without this script its buttons stay hidden; codes do the same.
"use strict";
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const named = (credentials) => credentials.map((each) => ({ ...each, id: toBytes(each.id) }));

async function optionsFor(box, form) {
  const body = new URLSearchParams({ csrf_token: form.elements.csrf_token.value });
  const answer = await fetch(box.dataset.options, { method: "POST", body, redirect: "error" });
  if (!answer.ok) throw new Error(answer.statusText);
  const options = await answer.json();
  options.challenge = toBytes(options.challenge);
  if (options.user) options.user.id = toBytes(options.user.id);
  if (options.excludeCredentials) options.excludeCredentials = named(options.excludeCredentials);
  if (options.allowCredentials) options.allowCredentials = named(options.allowCredentials);
  return options;
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: toText(credential.rawId), type: credential.type, response });
}

async function press(box, button, said) {
  const form = box.closest("form");
  const makes = box.dataset.passkey === "create";
  if (makes && !form.reportValidity()) return;
  said.textContent = "";
  button.disabled = true;
  try {
    const publicKey = await optionsFor(box, form);
    const credential = await (makes
      ? navigator.credentials.create({ publicKey })
      : navigator.credentials.get({ publicKey }));
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = makes ? "new_passkey" : "passkey";
    field.value = written(credential);
    form.append(field);
    form.submit();
  } catch (error) {
    said.textContent = error.name === "InvalidStateError" ? box.dataset.known : box.dataset.failed;
    button.disabled = false;
    button.focus();
  }
}

if (window.PublicKeyCredential) {
  for (const box of document.querySelectorAll("[data-passkey]")) {
    box.hidden = false;
    const button = box.querySelector("button[type=button]");
    button?.addEventListener("click", () => press(box, button, box.querySelector("[role=status]")));
    if (box.dataset.passkey === "create") {
      // The key Enter in the field for the name.
      box.closest("form").addEventListener("submit", (event) => {
        event.preventDefault();
        button.click();
      });
    }
  }
}
