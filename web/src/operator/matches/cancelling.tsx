/** Cancelling a match: what it touches, what buyers read, the phrase; then how far it has come. */
import { useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { useForm } from '../../account/use-form';
import type { MatchView } from '../../api/types';
import { useOperatorText } from '../../i18n/operator';
import { useText } from '../../i18n/locale';
import { useMatchesAnew } from '../../live/matches';
import { Button } from '../../ui/button';
import { OwnWords } from '../../ui/match-notice';
import { Notice } from '../../ui/panels';
import { DEFAULT_CURRENCY } from '../../ui/time';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ActorName } from '../ui/actor-name';
import { DataTable } from '../ui/data-table';
import { Id } from '../ui/facts';
import { Minor } from '../ui/money';
import { Refusal } from '../ui/refusal';
import { Section } from '../ui/section';
import { ServerWords } from '../ui/server-words';
import { Tile, Tiles } from '../ui/tiles';
import { BuyersFields, BuyersPreview, NO_WORDS } from './buyers-words';
import {
  asBuyersSee,
  buyersTextFrom,
  cancellation,
  cancelMatch,
  isCancelling,
  POLL_MS,
  type Cancellation,
} from './data';
import { PhraseField } from './phrase-field';
import { Progress } from './progress';

export function CancelSection({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  const read = useRead<Cancellation>(cancellation(match.matchNumber));
  const { data } = read;
  return (
    <Section
      title={t('cancelSection')}
      {...(data?.state === 'none' && { about: t('cancelAbout') })}
      read={read}
    >
      {data?.state === 'none' && <Prepare match={match} found={data} />}
      {data && data.state !== 'none' && <Under found={data} />}
      {data && isCancelling(data) && <Watch matchNumber={match.matchNumber} />}
    </Section>
  );
}

/** Reads it again and again while it is there; whoever shows it has the same answers. */
function Watch({ matchNumber }: { readonly matchNumber: number }): ReactNode {
  useRead<Cancellation>(cancellation(matchNumber), { everyMs: POLL_MS });
  return null;
}

function Prepare({ match, found }: { readonly match: MatchView; readonly found: Cancellation }): ReactNode {
  const t = useOperatorText('matches');
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Touches found={found} otherwise={match.currency ?? DEFAULT_CURRENCY} />
      {isOpen ? (
        <CancelForm match={match} phrase={found.phrase} close={() => setOpen(false)} />
      ) : (
        <div>
          <Button look="danger" onClick={() => setOpen(true)}>
            {t('prepareCancel')}
          </Button>
        </div>
      )}
    </>
  );
}

/** What would end, in numbers. `otherwise`: the currency where nothing was sold. */
function Touches(props: { readonly found: Cancellation; readonly otherwise: string }): ReactNode {
  const { touches } = props.found;
  const t = useOperatorText('matches');
  const { number } = useFigures();
  const { pending, paying, sales, tickets, amountMinor, currency } = touches;
  const { transferred, admitted = 0, soldElsewhere } = touches;
  return (
    <>
      <Tiles>
        <Tile name={t('touches.sales')} note={t('touches.ticketsNote', { count: tickets })}>
          {number(sales)}
        </Tile>
        <Tile name={t('touches.amount')}>
          <Minor amountMinor={amountMinor} currency={currency === '' ? props.otherwise : currency} />
        </Tile>
        <Tile name={t('touches.pending')}>{number(pending)}</Tile>
        <Tile name={t('touches.paying')}>{number(paying)}</Tile>
        <Tile name={t('touches.transferred')}>{number(transferred)}</Tile>
        {admitted > 0 && <Tile name={t('touches.admitted')}>{number(admitted)}</Tile>}
        <Tile name={t('touches.soldElsewhere')}>{number(soldElsewhere)}</Tile>
      </Tiles>
      {admitted > 0 && (
        <Notice tone="bad" title={t('admittedTitle', { count: admitted })}>
          <p>{t('admittedBody')}</p>
        </Notice>
      )}
      {soldElsewhere > 0 && <p>{t('elsewhereBody', { count: soldElsewhere })}</p>}
    </>
  );
}

function CancelForm(props: {
  readonly match: MatchView;
  readonly phrase: string;
  readonly close: () => void;
}): ReactNode {
  const { match, phrase, close } = props;
  const t = useOperatorText('matches');
  const common = useText('common');
  const readAnew = useReadAnew();
  const matchesAnew = useMatchesAnew();
  const form = useForm<'en'>();
  const [words, setWords] = useState(NO_WORDS);
  const [isTyped, setTyped] = useState(false);
  const reason = buyersTextFrom(words);
  const path = cancellation(match.matchNumber).path;
  const send = async (): Promise<void> => {
    if (!reason) return;
    try {
      await cancelMatch(match.matchNumber, { phrase, reason });
    } finally {
      // Also after a lost answer: it may have begun.
      matchesAnew();
      await readAnew(path);
    }
  };
  return (
    <form
      className="stack match-deed"
      noValidate
      onSubmit={(event) => form.submit(event, reason ? [] : ['en'], send)}
    >
      <h3>{t('cancelTitle')}</h3>
      <ul className="operator-list">
        {(['closed', 'holds', 'refunds', 'mails', 'peers', 'final'] as const).map((step) => (
          <li key={step}>{t(`cancelSteps.${step}`)}</li>
        ))}
      </ul>
      <BuyersFields
        words={words}
        isWrong={form.wrong.has('en')}
        onChange={(next) => {
          setWords(next);
          form.touched('en');
        }}
      />
      {reason && <BuyersPreview match={asBuyersSee(match, { kind: 'cancelled', message: reason })} />}
      <PhraseField phrase={phrase} onTyped={setTyped} />
      {form.problem && <Refusal problem={form.problem} />}
      <div className="row">
        <Button type="submit" look="danger" isBusy={form.isBusy} disabled={!isTyped}>
          {t('cancelYes')}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('back')}
        </Button>
      </div>
    </form>
  );
}

function Under({ found }: { readonly found: Cancellation }): ReactNode {
  const t = useOperatorText('matches');
  const { stamp, number } = useFigures();
  const { state, progress, reason, startedAt, startedBy, finishedAt, failures } = found;
  const { closed, of, total, refunded, failed, mailed } = progress;
  const isDone = state === 'done';
  const tone = failed > 0 ? 'bad' : isDone ? 'good' : 'warn';
  return (
    <>
      <div role="status">
        <Notice tone={tone} title={t(`cancelStates.${isDone && failed > 0 ? 'doneFailed' : state}`)}>
          {reason && <OwnWords text={reason} />}
          {startedAt !== undefined && (
            <p>
              {t('cancelStarted', { time: stamp(startedAt) })}{' '}
              {startedBy !== undefined && <ActorName actor={startedBy} />}
            </p>
          )}
          {finishedAt !== undefined && <p>{t('cancelFinished', { time: stamp(finishedAt) })}</p>}
          {!isDone && <p>{t('goesOn')}</p>}
        </Notice>
      </div>
      <div className="progresses">
        <Progress name={t('progress.closing')} done={closed} of={of}>
          {t('progress.closed', { done: number(closed), of: number(of) })}
        </Progress>
        <Progress name={t('progress.refunding')} done={refunded} of={total}>
          {t('progress.refunded', { done: number(refunded), of: number(total) })}
        </Progress>
        {/* Whoever had tickets on hold is written to as well. */}
        <Progress name={t('progress.mailing')} done={mailed} of={Math.max(total, mailed)}>
          {t('progress.mailed', { done: number(mailed), of: number(Math.max(total, mailed)) })}
        </Progress>
      </div>
      {failures.length > 0 && <Failures failures={failures} />}
    </>
  );
}

function Failures({ failures }: Pick<Cancellation, 'failures'>): ReactNode {
  const t = useOperatorText('matches');
  return (
    <>
      <h3>{t('failuresTitle', { count: failures.length })}</h3>
      <p>{t('failuresBody')}</p>
      <DataTable
        caption={t('failuresTitle', { count: failures.length })}
        isCaptionHidden
        columns={[
          {
            key: 'reservation',
            header: t('reservation'),
            isName: true,
            sort: ({ reservationId }) => reservationId,
            cell: ({ reservationId }) => (
              <Link to={`/operator/reservations#${reservationId}`}>
                <Id>{reservationId}</Id>
              </Link>
            ),
          },
          {
            key: 'reason',
            header: t('failureReason'),
            sort: ({ reason }) => reason,
            cell: ({ reason }) => <ServerWords>{reason}</ServerWords>,
          },
        ]}
        rows={failures}
        rowKey={({ reservationId }) => reservationId}
        csv="failed-refunds"
      />
    </>
  );
}
