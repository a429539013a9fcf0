-- migrate:up

-- Why a commit retired a version; `retired_at` says when.
alter table versions add column retirement_reason text check (retirement_reason in ('surplus', 'replaced'));
update versions set retirement_reason = 'replaced' where retired_at is not null;

-- Versions beyond the last three accepted ones, from before commits counted them.
update versions v set retirement_reason = 'surplus', retired_at = now()
from (
    select version_id, row_number() over (partition by asset_id order by accepted_at desc) as place
    from versions where status = 'accepted' and purged_at is null and retired_at is null
) ranked
join versions w using (version_id) join assets a using (asset_id)
where v.version_id = ranked.version_id and ranked.place > 3 and a.committed_version_id is distinct from v.version_id;

-- Partial indexes for the queries of retention: their size does not depend on how many versions are kept.
create index versions_closed on versions (settled_at)
    where purged_at is null and status in ('rejected', 'expired', 'not_chosen', 'discarded');
create index versions_retired on versions (retired_at) where purged_at is null and retired_at is not null;
create index versions_marked on versions (purged_at) where purged_at is not null;
create index runs_pinning on runs ((request ->> 'starting_image_version_id'))
    where state in ('queued', 'generating', 'preview_ready');

-- migrate:down
drop index runs_pinning, versions_marked, versions_retired, versions_closed;
alter table versions drop column retirement_reason;
