/** The second factor: set up with an authenticator app, or removed. */
import { useState, type ReactNode } from 'react';
import { CodeField } from '../../account/fields';
import { PasswordField } from '../../account/password-field';
import { useForm } from '../../account/use-form';
import { codeOf, isCode, isRecoveryCode, recoveryCodeOf } from '../../account/validation';
import { api, session } from '../../api';
import type { Account, LogIn } from '../../api/types';
import { useText } from '../../i18n/locale';
import { QrCode } from '../../tickets/qr';
import { Button } from '../../ui/button';
import { Badge, Card, Notice } from '../../ui/panels';
import { SecretRefused } from './secret-refused';

interface Enrolment {
  readonly secret: string;
  readonly uri: string;
}

type State =
  | { readonly kind: 'idle' | 'asking' | 'removing' }
  | ({ readonly kind: 'showing' } & Enrolment)
  | { readonly kind: 'set'; readonly codes: readonly string[] };

export function SecondFactor({ account }: { readonly account: Account }): ReactNode {
  const t = useText('secondFactor');
  const [state, setState] = useState<State>({ kind: 'idle' });
  const idle = (): void => setState({ kind: 'idle' });
  return (
    <Card className="stack">
      <div className="row">
        <h2>{t('title')}</h2>
        <Badge tone={account.secondFactor ? 'good' : 'plain'}>{t(account.secondFactor ? 'on' : 'off')}</Badge>
      </div>
      <p className="soft">{t('body')}</p>
      {state.kind === 'idle' && (
        <div>
          <Button
            look="secondary"
            onClick={() => setState({ kind: account.secondFactor ? 'removing' : 'asking' })}
          >
            {t(account.secondFactor ? 'remove' : 'begin')}
          </Button>
        </div>
      )}
      {state.kind === 'asking' && (
        <Ask onShown={(enrolment) => setState({ kind: 'showing', ...enrolment })} onCancel={idle} />
      )}
      {state.kind === 'showing' && (
        <Show enrolment={state} onSet={(codes) => setState({ kind: 'set', codes })} onCancel={idle} />
      )}
      {state.kind === 'set' && <Codes codes={state.codes} onDone={idle} />}
      {state.kind === 'removing' && <Remove onDone={idle} />}
    </Card>
  );
}

function Ask(props: {
  readonly onShown: (enrolment: Enrolment) => void;
  readonly onCancel: () => void;
}): ReactNode {
  const t = useText('secondFactor');
  const common = useText('common');
  const form = useForm<'password'>();
  const [password, setPassword] = useState('');
  const send = async (): Promise<void> => {
    const path = '/users/me/second-factor';
    props.onShown(await api.send<Enrolment>({ method: 'POST', path, body: { password }, auth: 'once' }));
  };
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => form.submit(event, password === '' ? ['password'] : [], send)}
    >
      <PasswordField
        name="password"
        label="oldPasswordLabel"
        value={password}
        isWrong={form.wrong.has('password')}
        onChange={(value) => {
          setPassword(value);
          form.touched('password');
        }}
      />
      {form.problem && <SecretRefused problem={form.problem} />}
      <div className="row">
        <Button type="submit" isBusy={form.isBusy}>
          {t('next')}
        </Button>
        <Button look="secondary" onClick={props.onCancel}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

function Show(props: {
  readonly enrolment: Enrolment;
  readonly onSet: (codes: readonly string[]) => void;
  readonly onCancel: () => void;
}): ReactNode {
  const { secret, uri } = props.enrolment;
  const t = useText('secondFactor');
  const common = useText('common');
  const form = useForm<'code'>();
  const [code, setCode] = useState('');
  const send = async (): Promise<void> => {
    const answer = await api.send<LogIn & { recoveryCodes: readonly string[] }>({
      method: 'POST',
      path: '/users/me/second-factor/confirm',
      body: { totp: codeOf(code), cookie: true },
      auth: 'once',
    });
    session.logged(answer);
    props.onSet(answer.recoveryCodes);
  };
  return (
    <form
      className="secret"
      noValidate
      onSubmit={(event) => form.submit(event, isCode(code) ? [] : ['code'], send)}
    >
      <p>{t('scan')}</p>
      <QrCode text={uri} label={t('qrLabel')} />
      <p>
        {t('orType')} <bdi className="mono breakable">{secret}</bdi>
      </p>
      <CodeField
        isRecovery={false}
        value={code}
        isWrong={form.wrong.has('code')}
        onChange={(value) => {
          setCode(value);
          form.touched('code');
        }}
      />
      {form.problem && <SecretRefused problem={form.problem} />}
      <div className="row">
        <Button type="submit" isBusy={form.isBusy}>
          {t('confirm')}
        </Button>
        <Button look="secondary" onClick={props.onCancel}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}

/** Shown this once. */
function Codes({
  codes,
  onDone,
}: {
  readonly codes: readonly string[];
  readonly onDone: () => void;
}): ReactNode {
  const t = useText('secondFactor');
  const [isCopied, setCopied] = useState(false);
  const copy = (): void =>
    void navigator.clipboard.writeText(codes.join('\n')).then(
      () => setCopied(true),
      () => undefined,
    );
  return (
    <div className="stack">
      <Notice tone="good" title={t('setTitle')} isUrgent>
        <p>{t('codesBody')}</p>
      </Notice>
      <ul className="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="row">
        <Button onClick={onDone}>{t('kept')}</Button>
        {'clipboard' in navigator && (
          <Button look="secondary" onClick={copy}>
            {isCopied ? t('copied') : t('copy')}
          </Button>
        )}
      </div>
    </div>
  );
}

function Remove({ onDone }: { readonly onDone: () => void }): ReactNode {
  const t = useText('secondFactor');
  const login = useText('login');
  const common = useText('common');
  const form = useForm<'password' | 'code'>();
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [isRecovery, setRecovery] = useState(false);
  const send = async (): Promise<void> => {
    const proof = isRecovery ? { recoveryCode: recoveryCodeOf(code) } : { totp: codeOf(code) };
    const body = { password, ...proof, cookie: true };
    session.logged(
      await api.send<LogIn>({ method: 'DELETE', path: '/users/me/second-factor', body, auth: 'once' }),
    );
    onDone();
  };
  const isCodeRight = isRecovery ? isRecoveryCode(code) : isCode(code);
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) =>
        form.submit(
          event,
          [...(password === '' ? ['password' as const] : []), ...(isCodeRight ? [] : ['code' as const])],
          send,
        )
      }
    >
      <PasswordField
        name="password"
        label="oldPasswordLabel"
        value={password}
        isWrong={form.wrong.has('password')}
        onChange={(value) => {
          setPassword(value);
          form.touched('password');
        }}
      />
      <CodeField
        isRecovery={isRecovery}
        value={code}
        isWrong={form.wrong.has('code')}
        onChange={(value) => {
          setCode(value);
          form.touched('code');
        }}
      />
      <div>
        <Button
          look="quiet"
          onClick={() => {
            setRecovery(!isRecovery);
            setCode('');
          }}
        >
          {login(isRecovery ? 'useCode' : 'useRecovery')}
        </Button>
      </div>
      {form.problem && <SecretRefused problem={form.problem} />}
      <div className="row">
        <Button type="submit" look="danger" isBusy={form.isBusy}>
          {t('remove')}
        </Button>
        <Button look="secondary" onClick={onDone}>
          {common('cancel')}
        </Button>
      </div>
    </form>
  );
}
