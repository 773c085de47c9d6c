/** The camera, with what to do when there is none. */
import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import { browserStorage } from '../../api/storage';
import { CameraProblem, openCamera, type Camera, type CameraFault } from '../../check-in/scanner';
import { useCheckInText } from '../../i18n/check-in';
import { Button } from '../../ui/button';
import { Notice } from '../../ui/panels';

type State =
  | { readonly kind: 'off' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'on'; readonly torch: Camera['torch'] }
  | { readonly kind: 'fault'; readonly fault: CameraFault };

const WAS_ON = 'ticktak.check-in.camera';

export function CameraBox(props: {
  readonly onCode: (code: string) => void;
  /** While somebody has to decide, nothing else is read. */
  readonly isPaused: boolean;
}): ReactNode {
  const { onCode, isPaused } = props;
  const t = useCheckInText('camera');
  const video = useRef<HTMLVideoElement>(null);
  const { state, start, stop } = useCamera(video, onCode, isPaused);
  const isShown = state.kind === 'on' || state.kind === 'starting';
  return (
    <div className="gate-camera">
      <div className="gate-picture" hidden={!isShown}>
        <video ref={video} muted playsInline aria-label={t('label')} />
        <span className="gate-aim" aria-hidden="true" />
      </div>
      {state.kind === 'fault' && (
        <Notice tone="warn" title={t(`fault.${state.fault}`)} isUrgent>
          <p>{t(`faultBody.${state.fault}`)}</p>
          <p>{t('typing')}</p>
        </Notice>
      )}
      <div className="row">
        {isShown ? (
          <Button look="secondary" isBusy={state.kind === 'starting'} onClick={stop}>
            {state.kind === 'starting' ? t('starting') : t('stop')}
          </Button>
        ) : (
          <Button onClick={start}>{state.kind === 'fault' ? t('again') : t('start')}</Button>
        )}
        {state.kind === 'on' && state.torch && <Torch torch={state.torch} />}
      </div>
    </div>
  );
}

function Torch({ torch }: { readonly torch: NonNullable<Camera['torch']> }): ReactNode {
  const t = useCheckInText('camera');
  const [isOn, setOn] = useState(false);
  const change = async (): Promise<void> => {
    await torch(!isOn);
    setOn(!isOn);
  };
  return (
    <Button look="secondary" aria-pressed={isOn} onClick={() => void change().catch(() => undefined)}>
      {t('torch')}
    </Button>
  );
}

function useCamera(
  video: { readonly current: HTMLVideoElement | null },
  onCode: (code: string) => void,
  isPaused: boolean,
): { readonly state: State; readonly start: () => void; readonly stop: () => void } {
  const [state, setState] = useState<State>({ kind: 'off' });
  const newest = useRef({ onCode, isPaused });
  // Which start is the newest one: a camera that comes for an older one is let go.
  const turn = useRef(0);
  const opened = useRef<{ readonly camera: Camera; readonly wake: WakeLockSentinel | null } | null>(null);
  useEffect(() => {
    newest.current = { onCode, isPaused };
  }, [onCode, isPaused]);

  const letGo = useCallback(() => {
    turn.current += 1;
    opened.current?.camera.stop();
    void opened.current?.wake?.release().catch(() => undefined);
    opened.current = null;
  }, []);

  const open = useCallback(async (): Promise<void> => {
    letGo();
    const own = turn.current;
    const element = video.current;
    if (!element) return;
    setState({ kind: 'starting' });
    try {
      const camera = await openCamera({
        video: element,
        onCode: (code) => newest.current.onCode(code),
        isPaused: () => newest.current.isPaused,
        onEnded: () => {
          letGo();
          setState({ kind: 'fault', fault: 'busy' });
        },
      });
      if (own !== turn.current) {
        camera.stop();
        return;
      }
      opened.current = { camera, wake: await stayAwake() };
      setState({ kind: 'on', torch: camera.torch });
      browserStorage.set(WAS_ON, '1');
    } catch (error) {
      if (own !== turn.current) return;
      setState({ kind: 'fault', fault: error instanceof CameraProblem ? error.fault : 'busy' });
    }
  }, [letGo, video]);

  useEffect(() => {
    let isWanted = true;
    // It was on before the page was loaded anew, and nobody is asked for it.
    void isAllowed().then((allowed) => {
      if (isWanted && allowed && browserStorage.get(WAS_ON) !== null) void open();
    });
    return () => {
      isWanted = false;
      letGo();
    };
  }, [open, letGo]);

  return {
    state,
    start: () => void open(),
    stop: () => {
      letGo();
      browserStorage.remove(WAS_ON);
      setState({ kind: 'off' });
    },
  };
}

async function isAllowed(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: 'camera' })).state === 'granted';
  } catch {
    // Not every browser tells.
    return false;
  }
}

/** The screen must not go dark between two people. */
async function stayAwake(): Promise<WakeLockSentinel | null> {
  try {
    return await navigator.wakeLock.request('screen');
  } catch {
    return null;
  }
}
