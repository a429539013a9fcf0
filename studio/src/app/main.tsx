import "./tokens.css"; // first: it declares the order of the layers
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { showTheme } from "./preferences";

showTheme();

// A rolling deploy may have taken away a file that this page still names: load the new page, once.
window.addEventListener("vite:preloadError", (event) => {
  const key = "retake-reloaded";
  if (sessionStorage.getItem(key)) return;
  sessionStorage.setItem(key, "1");
  event.preventDefault();
  location.reload();
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
