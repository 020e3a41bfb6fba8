-- Changes as people name them: by the repository's name, in whatever case, and a pull request or a commit.
CREATE INDEX changes_named ON changes (LOWER(full_name), change);
CREATE INDEX changes_named_commit ON changes (LOWER(full_name), commit_sha);
