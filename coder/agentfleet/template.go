package agentfleet

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder"
)

// The source of the template is here, because that is all that go:embed reaches
// from here, and because whoever imports this package needs it. deploy/templates
// has the same files for people, to which a test holds them.
//
//go:embed simulated
var simulated embed.FS

// source is the template as an archive, and a name for its content.
func source() (archive []byte, content string, err error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err = fs.WalkDir(simulated, "simulated", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := simulated.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "simulated/")
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, "", fmt.Errorf("pack the template: %w", err)
	}
	sum := sha256.Sum256(b.Bytes())
	return b.Bytes(), hex.EncodeToString(sum[:8]), nil
}

// Push sees to it that the deployment has the template in this version: it is
// made, gets a new active version if its content is another, or is left alone.
// The import takes as long as a provisioner needs.
func (p Pool) Push(ctx context.Context) (coder.Template, error) {
	p = p.withDefaults()
	if err := p.Validate(); err != nil {
		return coder.Template{}, err
	}
	archive, content, err := source()
	if err != nil {
		return coder.Template{}, err
	}
	message := "scaletest simulated " + content
	tpl, err := p.Client.TemplateByName(ctx, p.Organization, p.Template)
	switch {
	case err == nil:
		v, err := p.Client.TemplateVersion(ctx, tpl.ActiveVersionID)
		if err != nil {
			return tpl, err
		}
		if v.Message == message {
			return tpl, nil
		}
	case !coder.IsNotFound(err):
		return tpl, err
	}
	if err := p.findProvisioner(ctx); err != nil {
		return tpl, err
	}
	p.say("template %s: importing it", p.Template)
	version, err := p.importVersion(ctx, tpl.ID, archive, message)
	if err != nil {
		return tpl, fmt.Errorf("template %s: %w", p.Template, err)
	}
	if tpl.ID != uuid.Nil {
		if err := p.Client.SetActiveVersion(ctx, tpl.ID, version); err != nil {
			return tpl, err
		}
		return p.Client.Template(ctx, tpl.ID)
	}
	return p.Client.CreateTemplate(ctx, p.Organization, coder.CreateTemplateRequest{
		Name: p.Template, VersionID: version, DisplayName: "Simulated workspace",
		Description: "A workspace without a machine, whose agent is played by a scale test",
	})
}

// findProvisioner looks whether anybody can run Terraform. A version for which
// nobody can is accepted all the same, and waits for ever.
func (p Pool) findProvisioner(ctx context.Context) error {
	daemons, err := p.Client.ProvisionerDaemons(ctx, p.Organization)
	if err != nil {
		return nil // old servers have no such list, and not everybody may read it
	}
	var kinds []string
	for _, d := range daemons {
		if d.Status == "offline" {
			continue
		}
		for _, kind := range d.Provisioners {
			if kind == "terraform" {
				return nil
			}
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	has := "none at all"
	if len(kinds) > 0 {
		has = strings.Join(kinds, ", ")
	}
	return fmt.Errorf("organization %s has no provisioner daemon that runs terraform (it has: %s), so that the template would never be imported: start one, or see CODER_PROVISIONER_TYPES and CODER_PROVISIONER_DAEMONS of the server", p.Organization, has)
}

func (p Pool) importVersion(ctx context.Context, template uuid.UUID, archive []byte, message string) (uuid.UUID, error) {
	file, err := p.Client.UploadFile(ctx, archive)
	if err != nil {
		return uuid.Nil, err
	}
	v, err := p.Client.CreateTemplateVersion(ctx, p.Organization, coder.CreateTemplateVersionRequest{
		TemplateID: template, FileID: file, Message: message, Provisioner: "terraform",
	})
	if err != nil {
		return uuid.Nil, err
	}
	if m := v.MatchedProvisioners; m != nil && m.Count == 0 {
		_ = p.Client.CancelTemplateVersion(ctx, v.ID) // it would wait for ever
		return uuid.Nil, fmt.Errorf("no provisioner daemon of organization %s takes jobs without tags: start one", p.Organization)
	}
	if _, err = p.Client.WaitTemplateVersion(ctx, v.ID); err != nil {
		return uuid.Nil, err
	}
	return v.ID, nil
}
