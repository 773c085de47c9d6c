/** ZXing-C++ as WebAssembly, for browsers that read no QR codes by themselves. Its file is served by us. */
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader';
import wasmUrl from 'zxing-wasm/reader/zxing_reader.wasm?url';
import type { ReadCodes } from './scanner';

/** Larger pictures are made smaller first: a code that fills a tenth of it can still be read. */
const SIDE_MAX = 960;

export async function readWithZxing(): Promise<ReadCodes> {
  await prepareZXingModule({ overrides: { locateFile: () => wasmUrl }, fireImmediately: true });
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('there is no canvas');
  return async (video) => {
    const { videoWidth, videoHeight } = video;
    const scale = Math.min(1, SIDE_MAX / Math.max(videoWidth, videoHeight, 1));
    const [width, height] = [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
    if (width === 0 || height === 0) return [];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(video, 0, 0, width, height);
    const found = await readBarcodes(context.getImageData(0, 0, width, height), {
      formats: ['QRCode'],
      maxNumberOfSymbols: 1,
    });
    return found.filter(({ isValid }) => isValid).map(({ text }) => text);
  };
}
