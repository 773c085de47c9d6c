/** At the gate: the camera, what is typed, and the answer. */
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { CODE_CHARS_MAX } from '../../check-in/code';
import { isDecidable, type Answer } from '../../check-in/desk';
import { SAME_TYPED_MS, SeenCodes } from '../../check-in/scanner';
import type { Snapshot, Station } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { useLocale } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Notice } from '../../ui/panels';
import { AnswerPanel, type Shown } from './answer';
import { CameraBox } from './camera';
import { Figures } from './figures';
import { ListCard, ListWarning } from './list-card';
import { isSoundOn, keepSound, play, signal } from './signals';

export function Gate(props: {
  readonly station: Station;
  readonly snapshot: Snapshot;
  readonly isPageKept: boolean;
}): ReactNode {
  const { station, snapshot, isPageKept } = props;
  const { shown, scan, decide } = useAnswers(station);
  return (
    <div className="gate">
      <Heading station={station} snapshot={snapshot} />
      <div className="gate-answer-place">
        <AnswerPanel shown={shown} onDecide={decide} />
      </div>
      <div className="gate-scan stack">
        <CameraBox onCode={scan} isPaused={shown !== null && isDecidable(shown.answer)} />
        <Entry onCode={scan} />
        <Sound />
      </div>
      <div className="gate-aside stack">
        <ListWarning snapshot={snapshot} />
        <Figures snapshot={snapshot} onResolve={(id, note) => station.resolve(id, note)} />
        <ListCard snapshot={snapshot} isPageKept={isPageKept} onRefresh={() => void station.refreshList()} />
      </div>
    </div>
  );
}

function Heading({
  station,
  snapshot,
}: {
  readonly station: Station;
  readonly snapshot: Snapshot;
}): ReactNode {
  const t = useCheckInText('gate');
  const page = useCheckInText('page');
  const { nameOf } = useLocale();
  const { post, device, matches } = snapshot;
  const match = matches.find(({ matchNumber }) => matchNumber === post?.matchNumber);
  return (
    <div className="gate-heading">
      <div>
        <h1>
          {match
            ? t('heading', { home: nameOf(match.homeTeam), away: nameOf(match.awayTeam) })
            : page('title')}
        </h1>
        <p className="soft">{t('place', { gate: post?.gate ?? '', device: device?.name ?? '' })}</p>
      </div>
      <Button look="quiet" onClick={() => station.leave()}>
        {t('change')}
      </Button>
      {match?.state === 'cancelled' && <Notice tone="bad" title={t('cancelled')} />}
    </div>
  );
}

function useAnswers(station: Station): {
  readonly shown: Shown | null;
  readonly scan: (code: string) => void;
  readonly decide: (letIn: boolean) => void;
} {
  const [shown, setShown] = useState<Shown | null>(null);
  const count = useRef(0);
  const show = (answer: Answer): void => {
    count.current += 1;
    signal(answer);
    setShown({ answer, count: count.current });
  };
  const scan = (code: string): void => void station.scan(code).then(show);
  const decide = (letIn: boolean): void => {
    if (shown) void station.decide(shown.answer, letIn).then(show);
  };
  return { shown, scan, decide };
}

/** For fingers, pasting, and hand-held scanners, which type and send Enter. */
function Entry({ onCode }: { readonly onCode: (code: string) => void }): ReactNode {
  const t = useCheckInText('gate');
  const input = useRef<HTMLInputElement>(null);
  const [seen] = useState(() => new SeenCodes(SAME_TYPED_MS));
  useTypingAnywhere(input);
  return (
    <form
      className="gate-entry"
      onSubmit={(event) => {
        event.preventDefault();
        const field = input.current;
        const code = field?.value.trim() ?? '';
        if (!field || code === '') return;
        field.value = '';
        if (seen.isNew(code, performance.now())) onCode(code);
      }}
    >
      <div className="field">
        <label className="field-label" htmlFor="gate-code">
          {t('entry')}
        </label>
        <input
          ref={input}
          id="gate-code"
          className="field-input mono"
          aria-describedby="gate-code-hint"
          dir="ltr"
          maxLength={2 * CODE_CHARS_MAX}
          autoComplete="off"
          autoCapitalize="characters"
          autoCorrect="off"
          spellCheck={false}
          enterKeyHint="go"
        />
        <p className="field-hint" id="gate-code-hint">
          {t('entryHint')}
        </p>
      </div>
      <Button type="submit" look="secondary">
        {t('check')}
      </Button>
    </form>
  );
}

/** A hand-held scanner types wherever the focus is: what is not meant for another field is meant for this one. */
function useTypingAnywhere(input: { readonly current: HTMLInputElement | null }): void {
  useEffect(() => {
    const heard = (event: KeyboardEvent): void => {
      const { target, key, ctrlKey, metaKey, altKey } = event;
      const isCharacter = key.length === 1 && key !== ' ' && !ctrlKey && !metaKey && !altKey;
      const isField =
        target instanceof HTMLElement && target.closest('input, select, textarea, [role="dialog"]') !== null;
      if (isCharacter && !isField) input.current?.focus();
    };
    window.addEventListener('keydown', heard);
    // Not on telephones: their keyboard would cover the page.
    if (matchMedia('(hover: hover) and (pointer: fine)').matches) input.current?.focus();
    return () => window.removeEventListener('keydown', heard);
  }, [input]);
}

function Sound(): ReactNode {
  const t = useCheckInText('gate');
  const [isOn, setOn] = useState(isSoundOn);
  return (
    <label className="gate-sound">
      <input
        type="checkbox"
        checked={isOn}
        onChange={(event) => {
          keepSound(event.target.checked);
          setOn(event.target.checked);
          if (event.target.checked) play('good');
        }}
      />
      {t('sound')}
    </label>
  );
}
