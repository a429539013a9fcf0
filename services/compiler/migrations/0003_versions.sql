-- migrate:up

-- What `complete` events said of the versions that films may use: a compile request names versions, and leaves their
-- texts out. A version that is not committed any more stays for as long as a film that pinned it may be made.
create table versions (
    version_id uuid primary key,
    asset_id uuid not null,
    media jsonb not null,                        -- PinnedMedia
    superseded_at timestamptz                    -- null: committed now
);
create index versions_asset on versions (asset_id);
create index versions_superseded on versions (superseded_at) where superseded_at is not null;
insert into versions (version_id, asset_id, media)
select (media ->> 'version_id')::uuid, asset_id, media from committed on conflict do nothing;

-- migrate:down
drop table versions;
