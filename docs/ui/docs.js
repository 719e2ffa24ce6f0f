/* A file of its own: the page's content security policy allows no script within the page. */
"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  showCommonExtensions: true,
  tryItOutEnabled: true,
  // Would send the document to a validator on the Internet.
  validatorUrl: null,
});
