// The heartbeat bar: the latest probes of a provider on a canvas, the newest at the right. Drawn when something changed, never in a loop.

import { useEffect, useRef } from 'preact/hooks';
import type { Beat } from '../store/world.ts';
import { clockTime, several } from '../words/format.ts';
import { type ShownState, toneOf } from '../words/state.ts';
import { type BeatSize, beatShape, beatsThatFit, MINI_BEAT } from './beats-shape.ts';

const NONE: readonly Beat[] = [];

interface BeatsProps {
  readonly name: string;
  readonly beats: readonly Beat[] | undefined;
  readonly size?: BeatSize;
  /** Switched off: there are no probes, and the bar says so with its base line. */
  readonly isOff?: boolean;
}

export function Beats({ name, beats = NONE, size = MINI_BEAT, isOff = false }: BeatsProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    if (canvas === null) return;
    const paint = () => draw(canvas, beats, size, isOff);
    paint();
    const resized = new ResizeObserver(paint);
    resized.observe(canvas);
    const themes = [matchMedia('(prefers-color-scheme: dark)'), matchMedia('(forced-colors: active)')];
    for (const theme of themes) theme.addEventListener('change', paint);
    document.addEventListener('themechange', paint);
    return () => {
      resized.disconnect();
      for (const theme of themes) theme.removeEventListener('change', paint);
      document.removeEventListener('themechange', paint);
    };
  }, [beats, size, isOff]);
  return <canvas ref={ref} class="beats" role="img" aria-label={summary(name, beats, isOff)} height={size.height} />;
}

function summary(name: string, beats: readonly Beat[], isOff: boolean): string {
  if (isOff) return `${name} is not probed while it is off`;
  const first = beats[0];
  if (first === undefined) return `No probes of ${name} seen yet`;
  const failed = beats.filter(({ isOk }) => !isOk).length;
  return `${several(beats.length, 'probe')} of ${name} since ${clockTime(first.atMs)}, ${failed === 0 ? 'none' : failed} failed`;
}

function draw(canvas: HTMLCanvasElement, beats: readonly Beat[], size: BeatSize, isOff: boolean): void {
  const width = Math.floor(canvas.clientWidth);
  const context = canvas.getContext('2d');
  if (context === null || width === 0) return;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(size.height * scale);
  context.scale(scale, scale);
  const colour = colours(canvas);
  const places = beatsThatFit(width, size);
  for (let place = 0; place < places; place++) {
    const state: ShownState = isOff ? 'off' : (beats[beats.length - 1 - place]?.observed ?? 'off');
    const isEmpty = !isOff && place >= beats.length;
    context.fillStyle = colour(isEmpty ? '--c-line' : `--c-${toneOf(state)}-fill`);
    paintBeat(context, beatShape(state, place, width, size), size);
  }
}

/** Colours by the name of their token. A custom property keeps `light-dark()` as written: only a real property becomes a colour. */
function colours(canvas: HTMLCanvasElement): (token: string) => string {
  const known = new Map<string, string>();
  return (token) => {
    let color = known.get(token);
    if (color === undefined) {
      canvas.style.color = `var(${token})`;
      color = getComputedStyle(canvas).color;
      canvas.style.color = '';
      known.set(token, color);
    }
    return color;
  };
}

function paintBeat(
  context: CanvasRenderingContext2D,
  shape: ReturnType<typeof beatShape>,
  { width, height }: BeatSize,
): void {
  const { x, y, isCut, isNotched } = shape;
  context.beginPath();
  context.roundRect(x, y, width, shape.height, Math.min(width / 2, shape.height / 2));
  context.fill();
  if (isCut) context.clearRect(x - 0.5, height / 2 - 1, width + 1, 2);
  if (!isNotched) return;
  context.globalCompositeOperation = 'destination-out';
  context.beginPath();
  context.moveTo(x - 0.2, y - 0.2);
  context.lineTo(x + width / 2, y + width * 0.67);
  context.lineTo(x + width + 0.2, y - 0.2);
  context.fill();
  context.globalCompositeOperation = 'source-over';
}
