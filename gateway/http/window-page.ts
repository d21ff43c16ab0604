// The page at `/ui/` as long as the window is not part of the product.

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A page that says what runs here and how to use it. `url`: the gateway's own. */
export function windowPage(url: string): string {
  const base = escaped(url);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Switchyard</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; color-scheme: light dark; }
code { font-family: ui-monospace, monospace; }
</style>
<h1>Switchyard is running</h1>
<p>The window comes with a later version. Until then <code>switchyard status</code> in a terminal shows providers and models.</p>
<p>Tools that speak OpenAI's protocol use <code>${base}/v1</code>; tools that speak Ollama's use <code>${base}</code>.</p>
</html>
`;
}
