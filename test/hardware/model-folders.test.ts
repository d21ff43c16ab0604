import { expect, test } from 'vitest';
import { type FolderBasis, modelFolders } from '../../gateway/hardware/model-folders.ts';

const likeliest = (basis: FolderBasis) => modelFolders(basis).map(({ folders }) => folders[0]);

test.each<[string, FolderBasis, readonly string[]]>([
  [
    'Linux',
    { platform: 'linux', env: {}, home: '/home/a' },
    ['/home/a/.ollama/models', '/home/a/.cache/huggingface/hub', '/home/a/.cache/llama.cpp'],
  ],
  [
    'macOS',
    { platform: 'darwin', env: {}, home: '/Users/a' },
    ['/Users/a/.ollama/models', '/Users/a/.cache/huggingface/hub', '/Users/a/Library/Caches/llama.cpp'],
  ],
  [
    'Windows',
    { platform: 'win32', env: { LOCALAPPDATA: 'C:\\Users\\a\\AppData\\Local' }, home: 'C:\\Users\\a' },
    [
      'C:\\Users\\a\\.ollama\\models',
      'C:\\Users\\a\\.cache\\huggingface\\hub',
      'C:\\Users\\a\\AppData\\Local\\llama.cpp',
    ],
  ],
  [
    'variables of the servers',
    { platform: 'linux', env: { OLLAMA_MODELS: '/m/o', HF_HOME: '/m/hf', LLAMA_CACHE: '/m/l' }, home: '/home/a' },
    ['/m/o', '/m/hf/hub', '/m/l'],
  ],
  [
    'the cache folder of the desktop, and a hub of its own',
    { platform: 'linux', env: { XDG_CACHE_HOME: '/c', HF_HUB_CACHE: '/h', HF_HOME: '/x' }, home: '/home/a' },
    ['/home/a/.ollama/models', '/h', '/c/llama.cpp'],
  ],
])('%s', (_what, basis, folders) => {
  expect(likeliest(basis)).toEqual(folders);
});

test("an Ollama that runs as a service keeps its models in its user's home", () => {
  const [ollama] = modelFolders({ platform: 'linux', env: {}, home: '/home/a' });
  expect(ollama?.folders).toContain('/usr/share/ollama/.ollama/models');
  const [configured] = modelFolders({ platform: 'linux', env: { OLLAMA_MODELS: '/m' }, home: '/home/a' });
  expect(configured?.folders).toEqual(['/m']);
});
