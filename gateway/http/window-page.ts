// The plain pages at `/ui/`, which stand in for the window where it cannot be shown: they need no build and no script.

/** What they look like; at `/ui/page.css`. The colours are those of the window. */
export const pageStyle = `:root { color-scheme: light dark; }
body { font: 14px/1.55 -apple-system, "Segoe UI Variable Text", "Segoe UI", Cantarell, Ubuntu, "Noto Sans", "Liberation Sans", system-ui, sans-serif;
  color: light-dark(#434b55, #b6bdc6); background: light-dark(#f5f6f8, #17191d); margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { box-sizing: border-box; width: min(30rem, 100vw - 2rem); padding: 28px 32px 24px; border-radius: 8px;
  border: 1px solid light-dark(#e2e5e9, #2c3138); background: light-dark(#ffffff, #1e2126); }
h1 { font-size: 20px; line-height: 28px; letter-spacing: -.01em; margin: 0 0 4px; color: light-dark(#14171b, #e9ebee); }
p { margin: 0 0 12px; } p:last-child { margin: 0; }
code { font: 12px/16px ui-monospace, "SF Mono", "Cascadia Mono", Consolas, "Noto Sans Mono", "Liberation Mono", monospace; }
pre { margin: 0 0 12px; padding: 10px 12px; border-radius: 6px; overflow-x: auto; color: light-dark(#14171b, #e9ebee); background: light-dark(#f0f2f4, #14161a); }
a { color: light-dark(#4a43c4, #aaa5ff); }
.less { font-size: 12px; color: light-dark(#5d6671, #929ba6); }
`;

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
${head}<title>${title} - Switchyard</title>
<link rel="stylesheet" href="/ui/page.css">
</head>
<body><main>
<h1>${title}</h1>
${body}
</main></body>
</html>
`;
}

function addresses(url: string): string {
  const base = escaped(url);
  return `<p class="less">Nothing of this concerns your tools: <code>${base}/v1</code> speaks OpenAI's protocol, <code>${base}</code> Ollama's.</p>`;
}

/** Without a session. `wasLink`: a link brought the reader here, and it no longer works. */
export function signInPage(url: string, wasLink = false): string {
  return page(
    wasLink ? 'That link no longer works' : 'Open this window from a terminal',
    `<p>${wasLink ? 'Each link works once, and for a minute. Make a new one' : 'On the machine the gateway runs on'}:</p>
<pre><code>npm run switchyard -- ui --open</code></pre>
<p>It opens the window and signs this browser in. Without <code>--open</code> it prints the link.</p>
${addresses(url)}`,
  );
}

/**
 * Behind a link that worked. The page goes on by itself, as a step of its own site: a redirect would still count as
 * coming from wherever the link was clicked, and the browser would keep the new cookie back.
 */
export function enteredPage(): string {
  return page(
    'Signed in',
    '<p><a href="/ui/">Go on to the window</a></p>',
    '<meta http-equiv="refresh" content="0;url=/ui/">\n',
  );
}

/** Where the gateway runs from sources whose window was never built. */
export function unbuiltPage(url: string): string {
  return page(
    'The window is not built yet',
    `<p>This gateway runs from its sources. <code>npm start</code> builds the window by itself; here it takes one command, and then a reload:</p>
<pre><code>node scripts/build-window.ts</code></pre>
<p>Until then <code>npm run switchyard -- status</code> shows providers and models.</p>
${addresses(url)}`,
  );
}
