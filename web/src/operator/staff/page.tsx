/** Accounts: who is an operator or a steward, and what can be done with an account. */
import { useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { api } from '../../api';
import { useOperatorText } from '../../i18n/operator';
import { Badge, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { useToast } from '../../ui/toast';
import { usePages, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { Check } from '../ui/check';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { DataTable, type Column } from '../ui/data-table';
import { PageTitle } from '../ui/page-title';
import { Pager } from '../ui/pager';
import { Section } from '../ui/section';
import { BODIES, changesOf, isGrave, type Change } from './changes';
import type { Accounts, StaffAccount } from './types';

const PATH = '/users';
const PER_PAGE = 100;

interface Chosen {
  readonly account: StaffAccount;
  readonly change: Change;
}

export default function StaffPage(): ReactNode {
  const t = useOperatorText('staff');
  const read = usePages<Accounts>({ path: PATH, query: { limit: PER_PAGE } });
  const [isStaffOnly, setStaffOnly] = useState(false);
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const accounts = (read.data?.accounts ?? []).filter(({ roles }) => !isStaffOnly || isStaff(roles));
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <Section title={t('list')} about={t('about')} read={read}>
        <Check isChecked={isStaffOnly} onChange={setStaffOnly}>
          {t('staffOnly')}
        </Check>
        <AccountTable accounts={accounts} onChoose={setChosen} />
        <Pager place={read.place} caption={t('list')} />
      </Section>
      {chosen && <ChangeDialog chosen={chosen} onClose={() => setChosen(null)} />}
    </div>
  );
}

const isStaff = (roles: readonly string[]): boolean =>
  roles.includes('operator') || roles.includes('steward');

function AccountTable(props: {
  readonly accounts: readonly StaffAccount[];
  readonly onChoose: (chosen: Chosen) => void;
}): ReactNode {
  const { accounts, onChoose } = props;
  const t = useOperatorText('staff');
  const figures = useFigures();
  const columns: Column<StaffAccount>[] = [
    {
      key: 'email',
      header: t('email'),
      cell: (account) => <Who account={account} />,
      sort: ({ email }) => email,
      isName: true,
    },
    { key: 'name', header: t('name'), cell: ({ name }) => <bdi>{name}</bdi>, sort: ({ name }) => name },
    {
      key: 'roles',
      header: t('roles'),
      cell: (account) => <Standing account={account} />,
      sort: ({ roles }) => [...roles].sort().join(' '),
    },
    {
      key: 'factor',
      header: t('factor'),
      cell: ({ secondFactor }) => t(secondFactor ? 'factorOn' : 'factorOff'),
      sort: ({ secondFactor }) => String(secondFactor),
    },
    {
      key: 'since',
      header: t('since'),
      cell: ({ createdAt }) => figures.stamp(createdAt),
      sort: ({ createdAt }) => createdAt,
      isShort: true,
    },
    {
      key: 'change',
      header: t('change'),
      cell: (account) => <ChangeMenu account={account} onChoose={onChoose} />,
      csv: null,
    },
  ];
  return (
    <DataTable
      caption={t('list')}
      isCaptionHidden
      columns={columns}
      rows={accounts}
      rowKey={({ id }) => id}
      empty={t('none')}
      csv="accounts"
    />
  );
}

function Who({ account: { id, email, deletedAt } }: { readonly account: StaffAccount }): ReactNode {
  return (
    <Link to={`/operator/audit?subject=${encodeURIComponent(`account:${id}`)}`}>
      <bdi className={deletedAt === undefined ? undefined : 'mono'}>
        {deletedAt === undefined ? email : id}
      </bdi>
    </Link>
  );
}

function Standing({ account }: { readonly account: StaffAccount }): ReactNode {
  const t = useOperatorText('staff');
  const { roles, disabledAt, deletedAt, emailConfirmed } = account;
  return (
    <span className="operator-badges">
      {roles.includes('operator') && <Badge tone="wait">{t('operator')}</Badge>}
      {roles.includes('steward') && <Badge tone="wait">{t('steward')}</Badge>}
      {disabledAt !== undefined && <Badge tone="bad">{t('disabled')}</Badge>}
      {deletedAt !== undefined && <Badge>{t('deleted')}</Badge>}
      {!emailConfirmed && deletedAt === undefined && <Badge tone="warn">{t('unconfirmed')}</Badge>}
    </span>
  );
}

/** The browser's own list: choosing opens the question, and the list is empty again. */
function ChangeMenu(props: {
  readonly account: StaffAccount;
  readonly onChoose: (chosen: Chosen) => void;
}): ReactNode {
  const { account, onChoose } = props;
  const t = useOperatorText('staff');
  const changes = changesOf(account);
  if (changes.length === 0) return null;
  return (
    <select
      className="field-input staff-change"
      aria-label={t('changeOf', { email: account.email })}
      value=""
      onChange={(event) => {
        const change = changes.find((one) => one === event.target.value);
        if (change !== undefined) onChoose({ account, change });
      }}
    >
      <option value="">{t('choose')}</option>
      {changes.map((change) => (
        <option key={change} value={change}>
          {t(`changes.${change}`)}
        </option>
      ))}
    </select>
  );
}

function ChangeDialog({
  chosen,
  onClose,
}: {
  readonly chosen: Chosen;
  readonly onClose: () => void;
}): ReactNode {
  const { account, change } = chosen;
  const t = useOperatorText('staff');
  const say = useToast();
  const who = useSession();
  const readAnew = useReadAnew();
  const isMe = who.kind === 'account' && who.account.id === account.id;
  const send = async (): Promise<void> => {
    const path = `${PATH}/${encodeURIComponent(account.id)}`;
    await api.send({ method: 'PATCH', path, body: BODIES[change] });
    say(t('changed', { email: account.email }));
    await readAnew(PATH);
  };
  return (
    <ConfirmDialog
      title={t(`changes.${change}`)}
      action={t(`changes.${change}`)}
      look={isGrave(change) ? 'danger' : 'primary'}
      {...(isGrave(change) && { phrase: account.email })}
      isOpen
      onClose={onClose}
      onConfirm={send}
    >
      <p>
        <strong>
          <bdi className="breakable">{account.email}</bdi>
        </strong>
      </p>
      <p>{t(`effects.${change}`)}</p>
      <p>{t('endsLogIns')}</p>
      {isMe && <Notice tone="warn" title={t('isMe')} />}
    </ConfirmDialog>
  );
}
