-- migrate:up

-- The film's file as it was before signing, and since when `object` is the signed one: each file has its own URL.
alter table compilations add column unsigned jsonb, add column signed_at timestamptz;

-- migrate:down
alter table compilations drop column signed_at, drop column unsigned;
