/** Stopping sales and letting them go on, with what buyers read meanwhile. */
import { useState, type ReactNode } from 'react';
import { useForm } from '../../account/use-form';
import { CATEGORIES, type MatchView } from '../../api/types';
import { useOperatorText } from '../../i18n/operator';
import { useText } from '../../i18n/locale';
import { useMatches } from '../../live/matches';
import { Button, type ButtonLook } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { OwnWords } from '../../ui/match-notice';
import { Notice } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { useReadAnew } from '../data';
import { useFigures } from '../figures';
import { useMatchName } from '../sales/names';
import { ActorName } from '../ui/actor-name';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { Refusal } from '../ui/refusal';
import { BuyersFields, BuyersPreview, NO_WORDS } from './buyers-words';
import {
  asBuyersSee,
  buyersTextFrom,
  coveringOf,
  widestFirst,
  pauses as pausesQuestion,
  pauseSales,
  resumeSales,
  type Pause,
  type PauseScope,
} from './data';

/** What a pause is about, in words. */
export function useScopeName(): (scope: PauseScope) => string {
  const t = useOperatorText('matches');
  const matchName = useMatchName();
  return ({ matchNumber, category }) => {
    if (matchNumber === undefined) return t('scopeAll');
    const match = matchName(matchNumber);
    return category === undefined ? t('scopeMatch', { match }) : t('scopeCategory', { match, category });
  };
}

/** What stands in the way of buyers now: nobody who works here should overlook it. */
export function StandingPauses(props: {
  readonly pauses: readonly Pause[];
  /** All of the marketplace. */
  readonly all: readonly Pause[];
}): ReactNode {
  const { pauses, all } = props;
  const t = useOperatorText('matches');
  const boxes = widestFirst(pauses).map((pause) => <StandingPause key={pause.id} pause={pause} all={all} />);
  const more = boxes.slice(BOXES_MAX);
  return (
    <>
      {boxes.slice(0, BOXES_MAX)}
      {more.length > 0 && (
        <details className="card">
          <summary>{t('morePauses', { count: more.length })}</summary>
          <div className="stack pauses-more">{more}</div>
        </details>
      )}
    </>
  );
}

/** What else there is stands behind a line: the page is about matches. */
const BOXES_MAX = 3;

function StandingPause({ pause, all }: { readonly pause: Pause; readonly all: readonly Pause[] }): ReactNode {
  const t = useOperatorText('matches');
  const { stamp, number } = useFigures();
  const scopeName = useScopeName();
  const { message, since, by, applied, of } = pause;
  const scope = scopeName(pause);
  return (
    <Notice tone={pause.matchNumber === undefined ? 'bad' : 'warn'} title={t('pausedNow', { scope })}>
      <OwnWords text={message} />
      <p>
        {t('pausedSince', { time: stamp(since) })} <ActorName actor={by} />
      </p>
      <p role="status">
        {applied < of
          ? t('pauseApplying', { applied: number(applied), of: number(of) })
          : t('pauseApplied', { count: of })}
      </p>
      <div>
        <ResumeButton pause={pause} all={all} label={t('resumeScope', { scope })}>
          {t('resume')}
        </ResumeButton>
      </div>
    </Notice>
  );
}

interface DeedProps {
  readonly children: ReactNode;
  readonly className?: string;
  /** For those who do not see beside what it stands. */
  readonly label?: string;
}

export function ResumeButton(
  props: DeedProps & { readonly pause: Pause; readonly all: readonly Pause[] },
): ReactNode {
  const { pause, all, children, className, label } = props;
  const t = useOperatorText('matches');
  const say = useToast();
  const readAnew = useReadAnew();
  const scopeName = useScopeName();
  const [isAsked, setAsked] = useState(false);
  const scope = scopeName(pause);
  const others = coveringOf(all, pause);
  const resume = async (): Promise<void> => {
    await resumeSales(pause.id);
    say(t('resumed', { scope }));
    await readAnew(pausesQuestion.path);
  };
  return (
    <>
      <Button look="secondary" className={className} aria-label={label} onClick={() => setAsked(true)}>
        {children}
      </Button>
      <ConfirmDialog
        title={t('resumeTitle', { scope })}
        action={t('resume')}
        look="primary"
        isOpen={isAsked}
        onClose={() => setAsked(false)}
        onConfirm={resume}
      >
        <p>{others.length === 0 ? t('resumeBody') : t('resumeCovered')}</p>
        {others.length > 0 && (
          <ul className="operator-list">
            {others.map((other) => (
              <li key={other.id}>{scopeName(other)}</li>
            ))}
          </ul>
        )}
      </ConfirmDialog>
    </>
  );
}

export function PauseButton(
  props: DeedProps & { readonly scope: PauseScope; readonly look?: ButtonLook },
): ReactNode {
  const { scope, children, className, label, look = 'secondary' } = props;
  const t = useOperatorText('matches');
  const scopeName = useScopeName();
  const [isAsked, setAsked] = useState(false);
  return (
    <>
      <Button look={look} className={className} aria-label={label} onClick={() => setAsked(true)}>
        {children}
      </Button>
      <Dialog
        title={t('pauseTitle', { scope: scopeName(scope) })}
        isOpen={isAsked}
        onClose={() => setAsked(false)}
        isAlert
      >
        {(close) => <PauseForm scope={scope} close={close} />}
      </Dialog>
    </>
  );
}

function PauseForm({ scope, close }: { readonly scope: PauseScope; readonly close: () => void }): ReactNode {
  const t = useOperatorText('matches');
  const common = useText('common');
  const say = useToast();
  const readAnew = useReadAnew();
  const scopeName = useScopeName();
  const form = useForm<'en'>();
  const [words, setWords] = useState(NO_WORDS);
  const example = useExample(scope);
  const message = buyersTextFrom(words);
  const send = async (): Promise<void> => {
    if (!message) return;
    const pause = await pauseSales(scope, message);
    say(t('pausedToast', { scope: scopeName(pause) }));
    close();
    await readAnew(pausesQuestion.path);
  };
  return (
    <form className="stack" noValidate onSubmit={(event) => form.submit(event, message ? [] : ['en'], send)}>
      <p>{t('pauseBody')}</p>
      <BuyersFields
        words={words}
        isWrong={form.wrong.has('en')}
        onChange={(next) => {
          setWords(next);
          form.touched('en');
        }}
      />
      {example && message && (
        <BuyersPreview
          match={asBuyersSee(
            example,
            { kind: 'paused', message },
            (category) => scope.category === undefined || scope.category === category,
          )}
        />
      )}
      {form.problem && <Refusal problem={form.problem} />}
      <div className="row">
        <Button type="submit" look="danger" isBusy={form.isBusy}>
          {t('pauseYes')}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

/** A match that the pause would be seen at. */
function useExample({ matchNumber }: PauseScope): MatchView | undefined {
  const { matches } = useMatches();
  if (matchNumber !== undefined) return matches?.find((match) => match.matchNumber === matchNumber);
  return matches?.find(({ notice }) => notice?.kind !== 'cancelled');
}

/** Each part of a match that can be paused by itself, with its button. */
export function PauseParts(props: {
  readonly match: MatchView;
  readonly standing: readonly Pause[];
}): ReactNode {
  const { match, standing } = props;
  const { matchNumber } = match;
  const t = useOperatorText('matches');
  const parts: readonly PauseScope[] = [
    { matchNumber },
    ...CATEGORIES.map((category) => ({ matchNumber, category })),
  ];
  return (
    <ul className="pause-parts">
      {parts
        .filter((scope) => !standing.some((pause) => isSame(pause, scope)))
        .map((scope) => (
          <li key={scope.category ?? 0}>
            <PauseButton scope={scope}>
              {scope.category === undefined
                ? t('pauseMatch')
                : t('pauseCategory', { category: scope.category })}
            </PauseButton>
          </li>
        ))}
    </ul>
  );
}

const isSame = (a: PauseScope, b: PauseScope): boolean =>
  a.matchNumber === b.matchNumber && a.category === b.category;
