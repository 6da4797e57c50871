// Draws the description of the REST API. The token that a reader enters stays in this page.
"use strict";

const container = document.getElementById("api-docs");

window.SwaggerUIBundle({
  url: container.dataset.schema,
  domNode: container,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  docExpansion: "list",
  tryItOutEnabled: true,
  validatorUrl: null,
  supportedSubmitMethods: ["get", "post", "put", "patch"],
});
