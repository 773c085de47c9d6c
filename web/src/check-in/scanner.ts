/**
 * Codes out of a camera's picture.
 *
 * Guarantees: a code that stays in view is told once; the camera is let go when the scanner stops, whatever happened
 * before; what is read is never more than a few pictures a second, so that the page stays responsive.
 */

/** Reads the QR codes of a picture. */
export type ReadCodes = (picture: HTMLVideoElement) => Promise<readonly string[]>;

/** A code is told again only when it was out of view for so long. */
export const SAME_CODE_MS = 3_000;
/** A hand-held scanner may send one code twice. */
export const SAME_TYPED_MS = 1_000;

/** Tells codes that are new from those that were just there. */
export class SeenCodes {
  readonly #seen = new Map<string, number>();

  constructor(private readonly quietMs: number) {}

  /** `at`: milliseconds of any clock that does not go back. */
  isNew(code: string, at: number): boolean {
    const before = this.#seen.get(code);
    for (const [other, seenAt] of this.#seen) if (at - seenAt >= this.quietMs) this.#seen.delete(other);
    this.#seen.set(code, at);
    return before === undefined || at - before >= this.quietMs;
  }
}

/** Longer between two pictures and nobody looked: the page stood still, and the code may have been there all along. */
const LOOK_MS_MAX = 500;

/** For how long pictures were looked at. */
export class LookedTime {
  #lastAt: number | null = null;
  #ms = 0;

  /** To be called at each picture; `at`: milliseconds of any clock that does not go back. */
  next(at: number): number {
    this.#ms += Math.min(LOOK_MS_MAX, at - (this.#lastAt ?? at));
    this.#lastAt = at;
    return this.#ms;
  }
}

/** `insecure`: the page came by plain HTTP. */
export type CameraFault = 'refused' | 'absent' | 'busy' | 'insecure' | 'no_reader';

export interface Camera {
  stop(): void;
  /** Null where the camera has no light, or the browser no way to it. */
  readonly torch: ((isOn: boolean) => Promise<void>) | null;
}

export interface CameraOptions {
  readonly video: HTMLVideoElement;
  readonly onCode: (code: string) => void;
  /** Whether nothing is to be read for the moment. */
  readonly isPaused: () => boolean;
  /** The camera went away while it was in use. */
  readonly onEnded: () => void;
}

const WIDTH = 1_280;
const HEIGHT = 720;
/** Between two pictures: the rest of the time is the page's. */
const REST_MS = 90;

export class CameraProblem extends Error {
  override readonly name = 'CameraProblem';

  constructor(readonly fault: CameraFault) {
    super(fault);
  }
}

/** Throws `CameraProblem`. */
export async function openCamera(options: CameraOptions): Promise<Camera> {
  const { video, onEnded } = options;
  // Absent on pages that are not secure.
  const devices = (navigator as Partial<Navigator>).mediaDevices;
  if (!devices) throw new CameraProblem(isSecureContext ? 'absent' : 'insecure');
  const stream = await devices
    .getUserMedia({
      audio: false,
      video: { facingMode: 'environment', width: { ideal: WIDTH }, height: { ideal: HEIGHT } },
    })
    .catch((error: unknown) => {
      throw new CameraProblem(faultOf(error));
    });
  const letGo = (): void => stream.getTracks().forEach((track) => track.stop());
  try {
    const [track] = stream.getVideoTracks();
    if (!track) throw new CameraProblem('absent');
    const read = await findReader();
    video.srcObject = stream;
    await video.play();
    const watching = watch(options, read);
    track.addEventListener('ended', onEnded);
    return {
      torch: torchOf(track),
      stop: () => {
        track.removeEventListener('ended', onEnded);
        watching.stop();
        letGo();
        video.srcObject = null;
      },
    };
  } catch (error) {
    letGo();
    throw error instanceof CameraProblem ? error : new CameraProblem('busy');
  }
}

function faultOf(error: unknown): CameraFault {
  const name = error instanceof Error ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'refused';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'absent';
  return 'busy';
}

function watch({ video, onCode, isPaused }: CameraOptions, read: ReadCodes): { readonly stop: () => void } {
  const seen = new SeenCodes(SAME_CODE_MS);
  const looked = new LookedTime();
  let isOn = true;
  const run = async (): Promise<void> => {
    while (isOn) {
      // A picture that cannot be read is followed by the next.
      const isReadable = !isPaused() && video.readyState >= video.HAVE_CURRENT_DATA;
      const codes = isReadable ? await read(video).catch(() => []) : [];
      const at = looked.next(performance.now());
      for (const code of codes) if (isOn && seen.isNew(code, at)) onCode(code);
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  };
  void run();
  return {
    stop: () => {
      isOn = false;
    },
  };
}

/** What the browser brings, where it reads QR codes; a reader of ours otherwise, loaded then. */
async function findReader(): Promise<ReadCodes> {
  try {
    const native = await nativeReader();
    if (native) return native;
    const { readWithZxing } = await import('./zxing');
    return await readWithZxing();
  } catch {
    throw new CameraProblem('no_reader');
  }
}

/** https://wicg.github.io/shape-detection-api/#barcode-detection-api, as far as it is used. */
interface Detector {
  detect(picture: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>;
}
interface DetectorClass {
  new (options: { readonly formats: readonly string[] }): Detector;
  getSupportedFormats(): Promise<readonly string[]>;
}

const FORMAT = 'qr_code';

async function nativeReader(): Promise<ReadCodes | null> {
  const { BarcodeDetector: Native } = globalThis as { readonly BarcodeDetector?: DetectorClass };
  if (!Native) return null;
  const formats = await Native.getSupportedFormats().catch((): string[] => []);
  if (!formats.includes(FORMAT)) return null;
  const detector = new Native({ formats: [FORMAT] });
  return async (video) => (await detector.detect(video)).map(({ rawValue }) => rawValue);
}

/** https://w3c.github.io/mediacapture-image/#dfn-torch: not among the types of browsers yet. */
function torchOf(track: MediaStreamTrack): Camera['torch'] {
  const able = (track as Partial<MediaStreamTrack>).getCapabilities?.() as { torch?: boolean } | undefined;
  if (able?.torch !== true) return null;
  return async (isOn) => {
    await track.applyConstraints({ advanced: [{ torch: isOn } as MediaTrackConstraintSet] });
  };
}
