// The configuration changed through the admin API of a running gateway: looked at before it is written, in force at once, undone.

import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AdminConfig, AdminConfigError, AdminProvider } from '../../gateway/contract.ts';
import { type TestGateway, testGateway } from '../support/gateway.ts';

const YAML = `# keep me
providers:
  one: # the first
    kind: openai
    base_url: http://127.0.0.1:9 # nobody is there
default_provider: one
`;

function change(gateway: TestGateway, method: string, target: string, body?: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return gateway.admin(`/admin/${target}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function config(gateway: TestGateway): Promise<AdminConfig> {
  return (await (await gateway.admin('/admin/config')).json()) as AdminConfig;
}

function written(gateway: TestGateway): string {
  return readFileSync(gateway.configFile, 'utf8');
}

describe('a draft', () => {
  test('is told what is wrong with it, and changes nothing', async () => {
    await using gateway = await testGateway(YAML);
    const bad = await change(gateway, 'POST', 'config/validate', {
      text: `${YAML}patterns:\n  - pattern: "("\n    provider: one\n`,
    });
    expect(await bad.json()).toMatchObject({ isValid: false, problems: [{ severity: 'error', line: 8 }] });
    const good = await change(gateway, 'POST', 'config/validate', { text: YAML });
    expect(await good.json()).toMatchObject({ isValid: true });
    expect(written(gateway)).toBe(YAML);
  });

  test('is in force when it was applied, and the former text can be put back', async () => {
    await using gateway = await testGateway(YAML);
    const before = await config(gateway);
    expect(before).toMatchObject({ file: gateway.configFile, text: YAML, former: [], isCurrent: true });
    const text = YAML.replace('one\n', 'one\nlog_level: warn\n').replace('openai', 'vllm');
    const after = (await (
      await change(gateway, 'POST', 'config/apply', { text, version: before.version })
    ).json()) as AdminConfig;
    expect([after.text, after.former.length, written(gateway)]).toEqual([text, 1, text]);
    expect(gateway.gateway.settings.logLevel).toBe('warn');
    const [savedAtMs] = after.former;
    const restored = await change(gateway, 'POST', 'config/restore', { savedAtMs, version: after.version });
    expect(await restored.json()).toMatchObject({ text: YAML, version: before.version });
    expect([written(gateway), gateway.gateway.settings.providers.get('one')?.kind]).toEqual([YAML, 'openai']);
    expect((await change(gateway, 'POST', 'config/restore', { savedAtMs: 1, version: before.version })).status).toBe(
      404,
    );
  });

  test('never shows a key that stands plainly in the file, and keeps it through a change', async () => {
    const secret = 'sk-in-plain-sight';
    const yaml = YAML.replace('kind: openai\n', `kind: openai\n    api_key: ${secret}\n`);
    await using gateway = await testGateway(yaml);
    const before = await config(gateway);
    expect(before.text).not.toContain(secret);
    const text = before.text.replace('# keep me', '# changed');
    const answer = await (await change(gateway, 'POST', 'config/apply', { text, version: before.version })).text();
    expect(answer).not.toContain(secret);
    expect(written(gateway)).toBe(yaml.replace('# keep me', '# changed'));
    expect(gateway.gateway.settings.providers.get('one')?.apiKey).toBe(secret);
  });

  test('that is no configuration is refused with all that is wrong, and nothing is written', async () => {
    await using gateway = await testGateway(YAML);
    const { version } = await config(gateway);
    const text = 'providers:\n  one: { kind: teapot, base_url: x }\nserver: { port: no }\n';
    const answer = await change(gateway, 'POST', 'config/apply', { text, version });
    const { error } = (await answer.json()) as AdminConfigError;
    expect([answer.status, error.code, error.param]).toEqual([400, 'invalid_configuration', 'providers.one.kind']);
    expect(error.problems.filter(({ severity }) => severity === 'error').length).toBeGreaterThan(1);
    expect([written(gateway), (await config(gateway)).isCurrent]).toEqual([YAML, true]);
  });

  test('made from another text than the file has now is a conflict', async () => {
    await using gateway = await testGateway(YAML);
    const { version } = await config(gateway);
    writeFileSync(gateway.configFile, `${YAML}# mine\n`);
    for (const [method, target, body] of [
      ['POST', 'config/apply', { text: YAML, version }],
      ['PATCH', 'settings', { changes: [{ path: ['log_level'], value: 'warn' }], version }],
    ] as const) {
      const answer = await change(gateway, method, target, body);
      expect([answer.status, await answer.json()]).toMatchObject([
        409,
        { error: { code: 'conflict', param: 'version' } },
      ]);
    }
    expect(written(gateway)).toBe(`${YAML}# mine\n`);
  });
});

describe('settings', () => {
  test('are set and taken out, all at once, and comments stay', async () => {
    await using gateway = await testGateway(YAML);
    const answer = await change(gateway, 'PATCH', 'settings', {
      changes: [
        { path: ['history', 'retention_days'], value: 7 },
        { path: ['log_level'], value: 'warn' },
        { path: ['default_provider'] },
      ],
    });
    expect(answer.status).toBe(200);
    expect(written(gateway)).toBe(
      `${YAML.replace('default_provider: one\n', '')}history:\n  retention_days: 7\nlog_level: warn\n`,
    );
    expect(gateway.gateway.settings).toMatchObject({ logLevel: 'warn', history: { retentionDays: 7 } });
  });

  test('that would not be valid are refused by their path, and none of them is written', async () => {
    await using gateway = await testGateway(YAML);
    const answer = await change(gateway, 'PATCH', 'settings', {
      changes: [
        { path: ['log_level'], value: 'warn' },
        { path: ['server', 'prot'], value: 4001 },
      ],
    });
    const { error } = (await answer.json()) as AdminConfigError;
    expect([error.param, error.message.includes('did you mean "port"')]).toEqual(['server.prot', true]);
    expect(written(gateway)).toBe(YAML);
  });
});

describe('providers', () => {
  test('are added, changed and taken out in the file, and in force at once', async () => {
    await using gateway = await testGateway(YAML);
    const settings = { kind: 'ollama', base_url: 'http://127.0.0.1:8', api_key: 'very secret', weight: 2 };
    const added = await change(gateway, 'POST', 'providers', { name: 'two', settings });
    const text = await added.text();
    expect(JSON.parse(text)).toMatchObject({ name: 'two', kind: 'ollama', baseUrl: 'http://127.0.0.1:8' });
    expect(text).not.toContain('very secret');
    const changed = await change(gateway, 'PATCH', 'providers/two/settings', {
      settings: { weight: null, priority: 3 },
    });
    expect(changed.status).toBe(200);
    expect(gateway.gateway.settings.providers.get('two')).toMatchObject({
      weight: 1,
      priority: 3,
      apiKey: 'very secret',
    });
    const left = (await (await change(gateway, 'DELETE', 'providers/two')).json()) as AdminProvider[];
    expect(left.map(({ name }) => name)).toEqual(['one']);
    expect(written(gateway)).toBe(YAML);
  });

  test.each([
    ['POST', 'providers', { name: 'one', settings: { kind: 'ollama', base_url: 'http://a' } }, 409, 'name'],
    ['POST', 'providers', { name: 'two', settings: { kind: 'ollama' } }, 400, 'settings.base_url'],
    ['POST', 'providers', { name: 'two', settings: { kind: 'teapot', base_url: 'http://a' } }, 400, 'settings.kind'],
    ['POST', 'providers', { name: 'two', settings: { kind: 'ollama', base_url: '::' } }, 400, 'providers.two.base_url'],
    ['PATCH', 'providers/one/settings', { settings: { wieght: 2 } }, 400, 'settings.wieght'],
    ['PATCH', 'providers/onne/settings', { settings: { weight: 2 } }, 404, 'name'],
    ['DELETE', 'providers/onne', undefined, 404, 'name'],
    ['PATCH', 'settings', { changes: [{ path: [], value: 1 }] }, 400, 'changes[0].path'],
    ['POST', 'config/apply', { text: 'x' }, 400, 'version'],
  ])('%s %s %j is refused with %s at %s', async (method, target, body, status, param) => {
    await using gateway = await testGateway(YAML);
    const answer = await change(gateway, method, target, body);
    expect([answer.status, await answer.json()]).toMatchObject([status, { error: { param } }]);
    expect(written(gateway)).toBe(YAML);
  });

  test('that stand in an included file are changed there, by hand', async () => {
    await using gateway = await testGateway(YAML);
    const other = gateway.configFile.replace('switchyard.yaml', 'other.yaml');
    writeFileSync(other, 'providers:\n  two: { kind: ollama, base_url: http://127.0.0.1:8 }\n');
    await change(gateway, 'PATCH', 'settings', { changes: [{ path: ['include'], value: ['other.yaml'] }] });
    const answer = await change(gateway, 'DELETE', 'providers/two');
    expect([answer.status, await answer.json()]).toMatchObject([409, { error: { param: 'name' } }]);
  });
});
