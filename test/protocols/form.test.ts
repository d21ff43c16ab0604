import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { formField, formModel, replaceFormModel } from '../../gateway/protocols/form.ts';

async function upload(fields: readonly (readonly [string, string | Blob])[]): Promise<{ bytes: Buffer; type: string }> {
  const form = new FormData();
  for (const [name, value] of fields) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, 'model; name="model".wav');
  }
  const request = new Request('http://localhost/', { method: 'POST', body: form });
  return { bytes: Buffer.from(await request.arrayBuffer()), type: request.headers.get('content-type') ?? '' };
}

async function fieldsOf(bytes: Buffer, type: string): Promise<[string, string | Buffer][]> {
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData();
  const fields: [string, string | Buffer][] = [];
  for (const [name, value] of form) {
    fields.push([name, typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer())]);
  }
  return fields;
}

/** Bytes that look like the end of a field, a header and a delimiter, without being one. */
const audio = Buffer.from(
  'RIFF\r\n\r\nContent-Disposition: form-data; name="model"\r\n\r\nfake\r\n--not-the-boundary\r\n',
);

describe('an upload', () => {
  test('tells its model and other text fields; a file of that name is none', async () => {
    const { bytes, type } = await upload([
      ['file', new Blob([audio])],
      ['model', 'whisper-1'],
      ['stream', 'true'],
    ]);
    expect(formModel(bytes, type)).toBe('whisper-1');
    expect(formField(bytes, type, 'stream')).toBe('true');
    expect(formField(bytes, type, 'language')).toBeNull();
    const file = await upload([['model', new Blob([audio])]]);
    expect(formModel(file.bytes, file.type)).toBeNull();
  });

  test('gets another model, and every other field keeps its bytes', async () => {
    const { bytes, type } = await upload([
      ['file', new Blob([audio])],
      ['model', 'whisper-1'],
      ['prompt', 'größe'],
    ]);
    const changed = replaceFormModel(bytes, type, 'large-v3/ü');
    expect(await fieldsOf(changed, type)).toEqual([
      ['file', audio],
      ['model', 'large-v3/ü'],
      ['prompt', 'größe'],
    ]);
    expect(changed.toString('latin1').replace(Buffer.from('large-v3/ü').toString('latin1'), 'whisper-1')).toBe(
      bytes.toString('latin1'),
    );
  });

  test('gets a model where it had none, and one in place of each of several', async () => {
    const without = await upload([['file', new Blob([audio])]]);
    expect(await fieldsOf(replaceFormModel(without.bytes, without.type, 'm'), without.type)).toEqual([
      ['model', 'm'],
      ['file', audio],
    ]);
    const twice = await upload([
      ['model', 'a'],
      ['x', '1'],
      ['model', 'b'],
    ]);
    expect(formModel(twice.bytes, twice.type)).toBe('b');
    expect(await fieldsOf(replaceFormModel(twice.bytes, twice.type, 'm'), twice.type)).toEqual([
      ['model', 'm'],
      ['x', '1'],
      ['model', 'm'],
    ]);
  });

  test('is read with a quoted boundary, a preamble, other header cases and a cut-off end', () => {
    const type = 'Multipart/Form-Data; charset=utf-8; boundary="a b"';
    const text =
      'preamble\r\n--a b\r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION: form-data; name=model\r\n\r\nm\r\n--a b--\r\n';
    expect(formModel(Buffer.from(text), type)).toBe('m');
    for (let end = 0; end < text.indexOf('\r\n--a b--'); end += 1) {
      expect(formModel(Buffer.from(text.slice(0, end)), type)).toBeNull();
    }
  });

  test('that is none is refused, as is a model name that could smuggle in a field', () => {
    expect(formModel(Buffer.from('{"model":"m"}'), 'application/json')).toBeNull();
    expect(() => replaceFormModel(Buffer.from('x'), 'multipart/form-data; boundary=b', 'm')).toThrow(GatewayError);
    expect(() => replaceFormModel(Buffer.from('--b\r\n'), 'application/json', 'm')).toThrow(GatewayError);
    expect(() => replaceFormModel(Buffer.from('--b\r\n'), 'multipart/form-data; boundary=b', 'a\r\n--b')).toThrow(
      GatewayError,
    );
  });
});
