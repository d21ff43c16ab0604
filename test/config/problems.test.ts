import { describe, expect, test } from 'vitest';
import { formatProblem, problemCodes } from '../../gateway/config/problems.ts';
import { load, told } from './support.ts';

const ollama = 'providers:\n  ollama: {kind: ollama, base_url: "http://127.0.0.1:11434"}\n';

interface Row {
  readonly rule: string;
  readonly text: string;
  /** `line:column severity code`, all of them. */
  readonly told: readonly string[];
  /** Part of the first message. */
  readonly says?: string;
  readonly path?: string;
}

const rows: readonly Row[] = [
  {
    rule: 'a typo in a key names the nearest known key',
    text: 'providers:\n  ollama:\n    kind: ollama\n    bse_url: http://127.0.0.1:11434\n',
    told: ['2:3 error missing_key', '4:5 error unknown_key'],
    says: '"base_url" is missing',
    path: 'providers.ollama.base_url',
  },
  {
    rule: 'a typo in a section names the nearest section',
    text: 'provider_list: 1\nprovders:\n  a: {kind: ollama, base_ur: x}\n',
    told: ['1:1 error unknown_key', '2:1 error unknown_key'],
  },
  {
    rule: 'a key of another section is told where it belongs',
    text: 'routing_strategy: simple-shuffle\n',
    told: ['1:1 error unknown_key'],
    says: 'it belongs under router_settings',
  },
  {
    rule: 'a value of the wrong type says what was expected and what is there',
    text: 'server:\n  port: many\n',
    told: ['2:9 error wrong_type'],
    says: 'expected a number, got "many"',
    path: 'server.port',
  },
  {
    rule: 'a number where a text belongs asks for quotes',
    text: 'default_provider: 7\n',
    told: ['1:19 error wrong_type'],
    says: 'put it in quotes',
  },
  {
    rule: 'a kind that is nearly right gets the nearest one',
    text: 'providers:\n  a: {kind: olama, base_url: "http://127.0.0.1:1"}\n',
    told: ['2:13 error invalid_value'],
    says: 'did you mean "ollama"?',
  },
  {
    rule: 'a bound is told with the value',
    text: 'server: {port: 70000}\n',
    told: ['1:16 error invalid_value'],
    says: 'at most 65535',
  },
  {
    rule: 'a duration needs a known unit',
    text: `${ollama}    `.trimEnd().concat('\nserver:\n  shutdown_timeout: 3 weeks\n'),
    told: ['4:21 error invalid_value'],
    says: '500ms, 3s or 2m',
  },
  {
    rule: 'a size needs its unit',
    text: 'capabilities:\n  big: {min_model_size: 13}\n',
    told: ['2:25 error invalid_value'],
    says: '"13B"',
  },
  {
    rule: 'a time in seconds and in milliseconds at once is a conflict',
    text: 'server: {shutdown_timeout: 3, shutdown_timeout_ms: 3000}\n',
    told: ['1:52 error conflicting_keys'],
  },
  {
    rule: 'an invalid regular expression is an error with its line',
    text: `${ollama}patterns:\n  - pattern: "^ok"\n    provider: ollama\n  - provider: ollama\n    pattern: "(oops"\n`,
    told: ['7:14 error invalid_regex'],
    path: 'patterns[1].pattern',
  },
  {
    rule: 'lookaround is unsupported',
    text: `${ollama}patterns:\n  - {pattern: "^(?!gpt)", provider: ollama}\n`,
    told: ['4:15 error invalid_regex'],
    says: 'not supported',
  },
  {
    rule: 'backreferences are unsupported',
    text: `${ollama}patterns:\n  - {pattern: '(a)\\1', provider: ollama}\n`,
    told: ['4:15 error invalid_regex'],
    says: 'not supported',
  },
  {
    rule: 'a root key printed twice: the last one counts, with a warning naming both lines',
    text: 'log_level: debug\nlog_level: warn\n',
    told: ['2:1 warning duplicate_root_key'],
    says: 'line 1 and again in line 2',
  },
  {
    rule: 'a key printed twice further in is an error',
    text: 'server:\n  port: 1\n  port: 2\n',
    told: ['3:3 error duplicate_key'],
    says: 'line 2',
  },
  {
    rule: 'a base URL without a scheme is shown with one',
    text: 'providers:\n  a: {kind: ollama, base_url: "localhost:11434"}\n',
    told: ['2:31 error invalid_url'],
    says: '"http://localhost:11434"',
  },
  {
    rule: 'a base URL must not carry credentials',
    text: 'providers:\n  a: {kind: ollama, base_url: "http://me:pw@box"}\n',
    told: ['2:31 error invalid_url'],
  },
  {
    rule: 'a base URL that is our own address is an error',
    text: 'providers:\n  a: {kind: openai, base_url: "http://localhost:4000/v1"}\n',
    told: ['2:31 error own_address'],
  },
  {
    rule: 'a model_list entry that is our own address is an error too',
    text: 'model_list:\n  - model_name: x\n    litellm_params:\n      model: openai/x\n      api_base: http://127.0.0.1:4000/v1\n',
    told: ['5:17 error own_address'],
  },
  {
    rule: 'a server of ours in model_list needs its address',
    text: 'model_list:\n  - model_name: x\n    litellm_params: {model: hosted_vllm/x}\n',
    told: ['3:5 error missing_key'],
    says: 'api_base',
  },
  {
    rule: 'listening on the network needs API keys',
    text: 'server:\n  host: 0.0.0.0\n',
    told: ['2:9 error lan_without_keys'],
  },
  {
    rule: 'an API key needs a key or its hash, not both',
    text: 'server:\n  api_keys:\n    - name: a\n    - {name: b, key: kkkkkkkkkkk, sha256: "00"}\n',
    told: ['3:7 error missing_key', '4:43 error invalid_value'],
  },
  {
    rule: 'an origin is never a star',
    text: 'server: {allowed_origins: ["*"]}\n',
    told: ['1:28 error invalid_value'],
  },
  {
    rule: 'an empty master key is no key and no permission',
    text: 'general_settings:\n  master_key: ""\n',
    told: ['2:15 error invalid_value'],
  },
  {
    rule: 'a cron expression is checked',
    text: 'providers:\n  a:\n    kind: ollama\n    base_url: http://127.0.0.1:1\n    probe: {schedule: "every day"}\n',
    told: ['5:23 error invalid_cron'],
  },
  {
    rule: 'a range of sizes has the smaller one first',
    text: `${ollama}model_size_routing:\n  - {size: "13B - 8B", provider: ollama}\n`,
    told: ['4:12 error invalid_value'],
  },
  {
    rule: 'a range of sizes has one of the known forms',
    text: `${ollama}model_size_routing:\n  - {size: "about 8B", provider: ollama}\n`,
    told: ['4:12 error invalid_value'],
    says: '"< 8B"',
  },
  {
    rule: 'a link of a chain names one provider',
    text: 'fallback_chains:\n  default:\n    chain:\n      - {primary: a, secondary: b}\n      - {condition: always}\n',
    told: ['4:9 error conflicting_keys', '5:9 error missing_key'],
  },
  {
    rule: 'none stands alone in a fallback',
    text: `${ollama}exact_matches:\n  m: {provider: ollama, fallback: [ollama, none]}\n`,
    told: ['4:35 error conflicting_keys'],
  },
  {
    rule: 'none is no name for a provider',
    text: 'providers:\n  none: {kind: ollama, base_url: "http://127.0.0.1:1"}\n',
    told: ['2:3 error reserved_name'],
  },
  {
    rule: 'an unknown key in a section of LiteLLM is a warning',
    text: 'router_settings:\n  num_retrys: 3\n',
    told: ['2:3 warning unknown_key'],
    says: 'LiteLLM ignores this too; did you mean "num_retries"?',
  },
  {
    rule: 'a wrong value in a section of LiteLLM is an error',
    text: 'router_settings:\n  num_retries: three\n',
    told: ['2:16 error wrong_type'],
  },
  {
    rule: 'a strategy that is nearly right becomes the nearest one, with a warning',
    text: 'router_settings:\n  routing_strategy: latency-based-routing"\n',
    told: ['2:21 warning value_corrected'],
    says: 'taken as "latency-based-routing"',
  },
  {
    rule: 'a strategy that is nothing like one is an error with the known ones',
    text: 'router_settings:\n  routing_strategy: magic\n',
    told: ['2:21 error invalid_value'],
    says: 'simple-shuffle',
  },
  {
    rule: 'certificates that are not checked deserve a warning',
    text: 'providers:\n  a: {kind: ollama, base_url: "https://box", tls_insecure: true}\n',
    told: ['2:60 warning tls_insecure'],
  },
  {
    rule: 'a rule that names an unknown provider is a lint with the nearest one',
    text: `${ollama}default_provider: olama\n`,
    told: ['3:19 lint unknown_provider'],
    says: 'did you mean "ollama"?',
  },
  {
    rule: 'a rule that names a provider that is switched off is a lint',
    text: 'providers:\n  a: {kind: ollama, base_url: "http://127.0.0.1:1", enabled: false}\nexact_matches:\n  m: {provider: a}\n',
    told: ['4:17 lint provider_disabled'],
  },
  {
    rule: 'a fallback that leads nowhere is a lint',
    text: `${ollama}exact_matches:\n  m: {provider: ollama, fallback: nowhere}\n`,
    told: ['4:35 lint unknown_target'],
  },
  {
    rule: 'the same pattern twice is a lint',
    text: `${ollama}patterns:\n  - {pattern: ^a, provider: ollama}\n  - {pattern: ^a, provider: ollama}\n`,
    told: ['5:15 lint unreachable_rule'],
  },
  {
    rule: 'a key in plain text is a lint',
    text: 'providers:\n  a: {kind: vllm, base_url: "http://127.0.0.1:1", api_key: sk-0123456789}\n',
    told: ['2:60 lint plain_secret'],
  },
  {
    rule: 'a list without its section shows the lines to write',
    text: '- pattern: "^meta-llama/.*"\n  provider: vllm\n',
    told: ['1:1 error bare_entry'],
    says: 'patterns:\n  - pattern: ^meta-llama/.*\n    provider: vllm',
  },
  {
    rule: 'the keys of one entry without list and section are told once',
    text: 'pattern: ^a\nprovider: vllm\nlog_level: loud\n',
    told: ['1:1 error bare_entry', '3:12 error invalid_value'],
  },
  {
    rule: 'YAML that is broken says where',
    text: 'server:\n\tport: 1\n',
    told: ['2:1 error yaml_syntax'],
  },
  {
    rule: 'what stands before the broken line is still checked',
    text: 'log_level: loud\nserver: {port: 1\nhistory: [\n',
    told: ['1:12 error invalid_value', '3:1 error yaml_syntax', '4:1 error yaml_syntax'],
  },
  {
    rule: 'a text is no configuration',
    text: 'hello\n',
    told: ['1:1 error wrong_type'],
  },
];

describe('what is wrong is told with its place', () => {
  for (const row of rows)
    test(row.rule, () => {
      const result = load(row.text);
      expect(told(result)).toEqual(row.told);
      if (row.says !== undefined) expect(result.problems[0]?.message).toContain(row.says);
      if (row.path !== undefined) expect(result.problems[0]?.path).toBe(row.path);
      const isRefused = result.problems.some((problem) => problem.severity === 'error');
      expect(result.settings === null).toBe(isRefused);
    });
});

test('mistakes of all kinds are told at once, in the order of the file', () => {
  const result = load(
    [
      'providers:',
      '  a: {kind: ollama, base_url: "http://127.0.0.1:1", wieght: 2}',
      '  b: {kind: vllm}',
      'server: {port: -1}',
      'patterns:',
      '  - {pattern: "(", provider: a}',
      '  - {pattern: "x"}',
      'capabilities:',
      '  c: {min_context: lots}',
      'router_settings: {num_retries: no, colour: red}',
    ].join('\n'),
  );
  expect(told(result)).toEqual([
    '2:53 error unknown_key',
    '3:3 error missing_key',
    '4:16 error invalid_value',
    '6:15 error invalid_regex',
    '7:5 error missing_key',
    '9:20 error wrong_type',
    '10:32 error wrong_type',
    '10:36 warning unknown_key',
  ]);
});

test('a provider with a mistake in it is not reported as unknown besides', () => {
  const result = load('providers:\n  a: {kind: ollama}\ndefault_provider: a\n');
  expect(told(result)).toEqual(['2:3 error missing_key']);
});

test('a value from outside the file or of a secret key is never repeated', () => {
  const result = load(
    `providers:\n  a: {kind: "\${SECRET}", base_url: x, api_key: [sk-visible]}\nserver:\n  api_keys: [{name: n, sha256: sk-visible-too}]\n`,
    { env: { SECRET: 'sk-hidden' } },
  );
  expect(result.settings).toBeNull();
  expect(JSON.stringify(result.problems)).not.toMatch(/sk-/);
});

test('a problem prints as file:line:column severity code message, with a code of the closed list', () => {
  const { problems } = load('server:\n  port: x\n');
  const [problem] = problems;
  if (!problem) throw new Error('nothing was told');
  expect(formatProblem(problem)).toMatch(/switchyard\.yaml:2:9 error wrong_type expected a number/);
  expect(problemCodes).toContain(problem.code);
});
