/* Send a request, and show beside it how many statements it took, how long, and the size of the answer. Call it for one
   request after the other, so that none waits for another one and is measured too slow. */
async function measure(output, path, options) {
  const started = performance.now();
  const answer = await fetch(path, {cache: "no-store", ...options});
  const text = await answer.text();
  const time = performance.now() - started;
  const statements = answer.headers.get("X-Statements") ?? "0"; /* what is refused at once never asks for a scope */
  output.classList.toggle("other", statements !== output.dataset.statements);
  output.querySelector("strong").textContent = statements === "1" ? "1 statement" : statements + " statements";
  const shown = text.length < 1000 ? text.length + " B" : Math.round(text.length / 1000) + " kB";
  output.querySelector("small").textContent = time.toFixed(time < 10 ? 1 : 0) + " ms, " + shown;
  return text;
}
