-- migrate:up

-- Browsers that are signed in at the issuer. The cookie's digest; the issuer's tokens, encrypted by the gateway.
create table sign_ins (
    sign_in_sha256 text primary key,
    user_id text not null,
    sealed text not null,
    version integer not null default 1,
    renewing_until timestamptz,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

-- migrate:down
drop table sign_ins;
