// What the window may know of the gateway, and what its page may hold: read from the code itself.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..', '..');
const files = readdirSync(path.join(ROOT, 'renderer'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.join(entry.parentPath, entry.name));
const sources = files.filter((file) => /\.tsx?$/.test(file));

/** Packages that may be part of what the browser loads. */
const PACKAGES = ['preact', 'preact/hooks', '@preact/signals'];

const imports = sources.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?from\s+)?'([^']+)'/gm)].map(
    (match) => ({
      file: path.relative(ROOT, file),
      to: match[2] ?? '',
      isTypeOnly: match[1] !== undefined,
      target: path.relative(ROOT, path.resolve(path.dirname(file), match[2] ?? '')),
    }),
  ),
);

test('the window imports of the gateway only the types of what is told over HTTP', () => {
  expect(imports.length).toBeGreaterThan(60);
  const wrong = imports
    .filter(({ to }) => to.startsWith('.'))
    .filter(({ target }) => !target.startsWith('renderer'))
    .filter(({ target, isTypeOnly }) => !isTypeOnly || !/^gateway\/(contract[\w-]*|types)\.ts$/.test(target));
  expect(wrong.map(({ file, to }) => `${file} -> ${to}`)).toEqual([]);
});

test('the window loads no package but those that are meant for it', () => {
  const wrong = imports.filter(({ to }) => !to.startsWith('.') && !PACKAGES.includes(to));
  expect(wrong.map(({ file, to }) => `${file} -> ${to}`)).toEqual([]);
});

test('the page has nothing inline, names no other origin, and turns no text into markup', () => {
  const html = readFileSync(path.join(ROOT, 'renderer', 'index.html'), 'utf8');
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/i);
  const wrong = files.filter((file) =>
    /dangerouslySetInnerHTML|innerHTML|\beval\(|new Function|https?:\/\/(?!www\.w3\.org\/2000\/svg)[a-z]/i.test(
      readFileSync(file, 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, ''),
    ),
  );
  expect(wrong.map((file) => path.relative(ROOT, file))).toEqual([]);
});
