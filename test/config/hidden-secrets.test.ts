import { describe, expect, test } from 'vitest';
import { hideSecrets, revealSecrets } from '../../gateway/config/hidden-secrets.ts';

const FILE = `# mine
providers:
  box: { kind: vllm, base_url: http://box:8000, api_key: sk-plain-1 } # the key
  far:
    kind: openai
    base_url: https://far.example
    api_key: os.environ/FAR_KEY
    headers: { X-Team: 'very secret', X-Ref: "\${TEAM}" }
server:
  api_keys: [{ name: laptop, key: "client-key" }]
router_settings:
  redis_url: redis://me:hunter2@127.0.0.1:6379
model_list:
  - model_name: m
    litellm_params: { model: openai/m, api_key: secret/box }
    model_info: { input_cost_per_token: 0.00003 }
`;

describe('a configuration on its way to an editor', () => {
  test('has no plain key in it, and everything else as it was', () => {
    const shown = hideSecrets(FILE);
    for (const secret of ['sk-plain-1', 'very secret', 'client-key', 'hunter2']) expect(shown).not.toContain(secret);
    expect(shown.split('\n')).toHaveLength(FILE.split('\n').length);
    for (const kept of ['# the key', 'os.environ/FAR_KEY', 'secret/box', '0.00003', 'TEAM}', 'name: laptop'])
      expect(shown).toContain(kept);
  });

  test('comes back as it was', () => {
    expect(revealSecrets(hideSecrets(FILE), FILE)).toBe(FILE);
  });

  test('comes back with the keys where their words were moved to', () => {
    const shown = hideSecrets(FILE).replace('box: {', 'attic: {').replace('kind: vllm', 'kind: openai');
    const back = revealSecrets(shown, FILE);
    expect(back).toContain('attic: { kind: openai, base_url: http://box:8000, api_key: sk-plain-1 }');
  });

  test('takes a new key in the place of a word', () => {
    const back = revealSecrets(hideSecrets(FILE).replace('"«hidden 1»"', 'sk-new'), FILE);
    expect(back).toContain('api_key: sk-new }');
    expect(back).toContain('hunter2');
  });

  test('is refused where a word stands for nothing', () => {
    expect(() => revealSecrets('providers: { a: { api_key: "«hidden 9»" } }', FILE)).toThrow(/«hidden 9»/);
  });

  test('has no plain key even if it is no YAML, and cannot be put back then', () => {
    const shown = hideSecrets('providers: { box: { api_key: sk-plain-1, kind: [ }');
    expect(shown).not.toContain('sk-plain-1');
    expect(() => revealSecrets('providers: { box: { api_key: "«hidden 0»" } }', FILE)).toThrow();
  });
});
