"use strict";

// The token stays in this page: nothing is stored.
const said = document.getElementById("said");

async function show(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("openapi.json", { headers });
  const body = await answer.json();
  if (!answer.ok) {
    said.textContent = `${body.detail} (${body.fix})`;
    return;
  }
  said.textContent = `${body.info.title} ${body.info.version}`;
  const page = window.SwaggerUIBundle({
    dom_id: "#api",
    spec: body,
    validatorUrl: null,
    deepLinking: false,
    persistAuthorization: false,
    onComplete: () => token && page.preauthorizeApiKey("token", token),
  });
}

document.getElementById("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  show(document.getElementById("token").value.trim());
});
