// Where servers keep their models unless told otherwise. Pure: what exists is for others to look.

import { posix, win32 } from 'node:path';

export interface FolderCandidate {
  readonly usedBy: string;
  /** The likeliest first; those that do not exist are passed over. */
  readonly folders: readonly string[];
}

export interface FolderBasis {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/**
 * Candidates of each kind of server. Sources: Ollama's FAQ (`OLLAMA_MODELS`, its defaults by system and the service user of
 * its installer), huggingface_hub's environment variables (vLLM and others load through it), llama.cpp's
 * `fs_get_cache_directory` in `common/common.cpp`; its newer versions share the cache of Hugging Face.
 */
export function modelFolders({ platform, env, home }: FolderBasis): readonly FolderCandidate[] {
  const { join } = platform === 'win32' ? win32 : posix;
  const caches = cacheFolder({ platform, env, home });
  const xdgCaches = env.XDG_CACHE_HOME || join(home, '.cache');
  const hub = env.HF_HUB_CACHE || join(env.HF_HOME || join(xdgCaches, 'huggingface'), 'hub');
  const ollama = env.OLLAMA_MODELS
    ? [env.OLLAMA_MODELS]
    : [
        join(home, '.ollama', 'models'),
        ...(platform === 'linux' ? ['/usr/share/ollama/.ollama/models', '/var/lib/ollama/models'] : []),
      ];
  return [
    { usedBy: 'Ollama', folders: ollama },
    { usedBy: 'Hugging Face', folders: [hub] },
    { usedBy: 'llama.cpp', folders: [env.LLAMA_CACHE || join(caches, 'llama.cpp')] },
  ];
}

function cacheFolder({ platform, env, home }: FolderBasis): string {
  if (platform === 'win32') return env.LOCALAPPDATA || win32.join(home, 'AppData', 'Local');
  if (platform === 'darwin') return posix.join(home, 'Library', 'Caches');
  return env.XDG_CACHE_HOME || posix.join(home, '.cache');
}
