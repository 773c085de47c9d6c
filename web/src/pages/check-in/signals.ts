/** What says the answer besides the screen: vibration, and sound for those who want it. */
import { browserStorage } from '../../api/storage';
import type { Answer } from '../../check-in/desk';

const SOUND = 'ticktak.check-in.sound';

export const isSoundOn = (): boolean => browserStorage.get(SOUND) === '1';

export function keepSound(isOn: boolean): void {
  if (isOn) browserStorage.set(SOUND, '1');
  else browserStorage.remove(SOUND);
}

/** Milliseconds on, off, on. */
const VIBRATIONS = { good: [90], bad: [220, 90, 220] } as const;
/** Frequency and length: one high tone, or two low ones. */
const TONES = {
  good: [[1_320, 0.12]],
  bad: [
    [330, 0.16],
    [247, 0.28],
  ],
} as const;
const VOLUME = 0.25;
const GAP_SECONDS = 0.04;

let audio: AudioContext | null = null;

export function signal(answer: Answer): void {
  const kind = answer.kind === 'admitted' ? 'good' : 'bad';
  // Not on every device, and only after the page was touched.
  (navigator as Partial<Navigator>).vibrate?.([...VIBRATIONS[kind]]);
  if (isSoundOn()) play(kind);
}

export function play(kind: 'good' | 'bad'): void {
  try {
    audio ??= new AudioContext();
    void audio.resume();
    let at = audio.currentTime;
    for (const [frequency, seconds] of TONES[kind]) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = frequency;
      volume.gain.value = VOLUME;
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + seconds);
      at += seconds + GAP_SECONDS;
    }
  } catch {
    // No sound here: the screen says it all.
  }
}
