-- What Quarto would be to book/site/quarto.lua: the few of its functions that are called there, the title taken out of the
-- page, the citations resolved into the page of references, and links to sources turned into links to pages.
local stringify = pandoc.utils.stringify

function Pandoc(document)
  local page, root = stringify(document.meta.page), stringify(document.meta.root)
  quarto = {
    project = { directory = root },
    doc = {
      input_file = root .. "/" .. page,
      is_format = function(format) return format == "html" end,
      include_text = function() end,
    },
  }
  document.meta.title = pandoc.MetaInlines(document.blocks[1].content)
  if page ~= "index.qmd" then document.blocks:remove(1) end
  dofile(root .. "/book/site/quarto.lua")
  document = Pandoc(document)
  document.blocks:insert(1, pandoc.Header(1, document.meta.title))
  local references = (page:find("/") and "" or "chapters/") .. "references.html"
  return page:find("references") and document or document:walk({
    Div = function(div) if div.identifier == "refs" then return {} end end,
    Link = function(link)
      link.target = link.target:gsub("^#ref%-", references .. "%0"):gsub("^([%w/.-]+)%.ipynb", "%1.html"):gsub("^([%w/.-]+)%.qmd", "%1.html")
      return link
    end,
  })
end
