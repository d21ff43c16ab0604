// `server` and `history`: how the gateway itself runs.

import * as z from 'zod';
import { flag, fraction, key, milliseconds, number, required, seconds, text, texts } from './values.ts';

const apiKey = z.strictObject({
  name: required(text, 'Who uses it; shown with each request.'),
  key: key(text, 'The key itself; best as os.environ/NAME or secret/NAME.'),
  sha256: key(
    z.string().regex(/^[0-9a-fA-F]{64}$/, { error: 'expected the 64 hexadecimal digits of a SHA-256' }),
    'The SHA-256 of the key, in place of the key.',
  ),
});

const megabytes = z.number().positive();

const limits = z.strictObject({
  body_mb: key(megabytes, 'One request body, unpacked (64).'),
  held_bodies_mb: key(megabytes, 'All request bodies held together (512).'),
  header_kb: key(z.number().positive(), 'The headers of one request (32).'),
  json_depth: key(number, 'Levels of nesting in a request (200).'),
  model_name_characters: key(number, 'Length of a model name (512).'),
  connections: key(number, 'Connections of clients (1024).'),
  held_answer_mb: key(megabytes, 'One JSON answer held until it is whole (8).'),
  held_answers_mb: key(megabytes, 'All such answers together (128).'),
  sse_line_mb: key(megabytes, 'One line of a stream (16).'),
  log_files: key(number, 'Log files kept (5).'),
  log_file_mb: key(megabytes, 'Size of one log file (10).'),
});

export const server = z.strictObject({
  host: key(text, 'The address to listen on (127.0.0.1, which includes ::1). Others need API keys.'),
  port: key(z.int().min(0).max(65_535), 'The port (4000); 0 picks a free one.'),
  api_keys: key(z.array(apiKey), 'Keys that clients need. None: loopback clients need none.'),
  allowed_hosts: key(texts, 'Further Host headers to answer to.'),
  allowed_origins: key(texts, 'Further browser origins to answer to.'),
  remote_admin: key(flag, 'Answer /admin and /ui to other machines (false).'),
  tls_cert: key(text, 'Certificate file, PEM; relative to this file.'),
  tls_key: key(text, 'Key file of the certificate, PEM; relative to this file.'),
  allow_model_management: key(flag, "Pass Ollama's pull, push, create, copy and delete on (false)."),
  shutdown_timeout: key(seconds, 'How long running requests may take to finish on a stop (30 s).'),
  shutdown_timeout_ms: key(milliseconds, 'The same in milliseconds.'),
  limits: key(limits, 'Bounds on what is accepted and held.'),
});

export const history = z.strictObject({
  retention_days: key(fraction, 'Days that requests and health are kept (90).'),
  max_mb: key(megabytes, 'Size of the database (1024).'),
  record_hardware: key(flag, 'Keep a sample of processor, memory and GPUs every 30 s (false).'),
});

export type ServerValues = z.infer<typeof server>;
export type LimitValues = z.infer<typeof limits>;
