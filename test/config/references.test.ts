import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { load, settingsOf, temporaryFolder, told, writeFiles } from './support.ts';

function provider(key: string, more = ''): string {
  return `providers:\n  a:\n    kind: vllm\n    base_url: http://127.0.0.1:1\n    api_key: ${key}\n${more}`;
}

test('both forms of a variable are replaced anywhere in a text', () => {
  const env = { KEY: 'sk', HOST: 'box', PORT: '81' };
  const settings = settingsOf(
    `providers:\n  a: {kind: vllm, base_url: "http://\${HOST}:\${PORT}/v1", api_key: os.environ/KEY, headers: {X: "a-\${KEY}-os.environ/HOST"}}\n`,
    { env },
  );
  expect(settings.providers.get('a')).toMatchObject({
    baseUrl: 'http://box:81',
    apiKey: 'sk',
    headers: { X: 'a-sk-box' },
  });
});

test('a doubled dollar keeps what looks like a variable', () => {
  expect(settingsOf(provider(`"$\${KEY}"`)).providers.get('a')?.apiKey).toBe(`\${KEY}`);
});

test('a variable can be a number or a switch where one is expected', () => {
  const settings = settingsOf(`server: {port: "\${PORT}", remote_admin: os.environ/ADMIN}\n`, {
    env: { PORT: '4711', ADMIN: 'true' },
  });
  expect(settings.server).toMatchObject({ port: 4711, isRemoteAdminAllowed: true });
  expect(told(load(`server: {port: "\${PORT}"}\n`, { env: { PORT: 'many' } }))).toEqual(['1:16 error wrong_type']);
});

test('a missing variable is an error with its place, and nothing else is said of that value', () => {
  expect(told(load(provider('os.environ/KEY')))).toEqual(['5:14 error variable_missing']);
  expect(told(load(`providers:\n  a: {kind: vllm, base_url: "\${URL}"}\n`))).toEqual(['2:29 error variable_missing']);
});

test('a missing variable in the credentials of a model_list entry makes that deployment not callable', () => {
  const { settings, problems } = load(`
model_list:
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://127.0.0.1:1", api_key: os.environ/KEY } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://127.0.0.1:2", extra_headers: { X: os.environ/OTHER } } }
  - { model_name: m, litellm_params: { model: vertex_ai/a, vertex_project: os.environ/PROJECT } }
  - { model_name: m, litellm_params: { model: openai/a, api_base: "http://127.0.0.1:3" } }
`);
  expect([...(settings?.providers.values() ?? [])].map(({ notCallableBecause }) => notCallableBecause)).toEqual([
    'the environment variable KEY is not set',
    'the environment variable OTHER is not set',
    'the environment variable PROJECT is not set',
    null,
  ]);
  expect(problems.map(({ severity, line }) => `${severity} ${line}`)).toEqual(['warning 3', 'warning 4', 'warning 5']);
});

test('a missing variable elsewhere in a model_list entry is an error', () => {
  const text = 'model_list:\n  - {model_name: m, litellm_params: {model: openai/a, api_base: os.environ/BASE}}\n';
  expect(told(load(text))).toEqual(['2:65 error variable_missing']);
});

test('environment_variables of the file count before the environment, and are not exported', () => {
  const settings = settingsOf(
    `environment_variables: {KEY: from-file, COPY: os.environ/HOME_KEY}\n${provider('os.environ/KEY-os.environ/COPY')}`,
    {
      env: { KEY: 'from-env', HOME_KEY: 'home' },
    },
  );
  expect(settings.providers.get('a')?.apiKey).toBe('from-file-home');
  expect(process.env.COPY).toBeUndefined();
});

test('a secret comes from whoever started the gateway, else from secrets.yaml', () => {
  const dataFolder = temporaryFolder();
  writeFiles(dataFolder, { 'secrets.yaml': 'one: from-file\ntwo: 222\n' });
  chmodSync(join(dataFolder, 'secrets.yaml'), 0o600);
  const given = new Map([['one', 'handed-over']]);
  expect(settingsOf(provider('secret/one'), { dataFolder, secrets: given }).providers.get('a')?.apiKey).toBe(
    'handed-over',
  );
  expect(settingsOf(provider('secret/one'), { dataFolder }).providers.get('a')?.apiKey).toBe('from-file');
  expect(settingsOf(provider('secret/two'), { dataFolder }).providers.get('a')?.apiKey).toBe('222');
  expect(told(load(provider('secret/three'), { dataFolder }))).toEqual(['5:14 error secret_missing']);
});

test('secrets that others can read deserve a warning, without a value in it', () => {
  const dataFolder = temporaryFolder();
  writeFiles(dataFolder, { 'secrets.yaml': 'one: very-private\n' });
  chmodSync(join(dataFolder, 'secrets.yaml'), 0o644);
  const { settings, problems } = load(provider('secret/one'), { dataFolder });
  expect(settings).not.toBeNull();
  expect(problems).toMatchObject([{ severity: 'warning', code: 'secrets_readable' }]);
  expect(JSON.stringify(problems)).not.toContain('very-private');
});

test('a file without a secret in it never opens secrets.yaml', () => {
  const dataFolder = temporaryFolder();
  writeFiles(dataFolder, { 'secrets.yaml': '{ broken' });
  expect(load(provider('plain'), { dataFolder }).settings).not.toBeNull();
});
