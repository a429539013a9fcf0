-- migrate:up

-- What was committed of a deleted asset, as in `committed`, for the time when the asset is restored.
alter table deleted_assets add column episode_id uuid;
alter table deleted_assets add column commit_seq integer;
alter table deleted_assets add column media jsonb;

-- migrate:down
alter table deleted_assets drop column media;
alter table deleted_assets drop column commit_seq;
alter table deleted_assets drop column episode_id;
